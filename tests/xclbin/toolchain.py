# SPDX-License-Identifier: BSD-2-Clause
# Writes an xclbin as v++ for the SmartSSD's shell lays it out: the sections that the packer does not make (groups, debug and system metadata), kernels in XML with everything that
# the vendor's compiler writes around what we read, a kernel of two ports, and blocks in IP_LAYOUT that are no kernels. From the public struct definitions of XRT's xclbin.h; the bitstream
# is noise. Usage: toolchain.py OUT [no-groups]
import hashlib
import struct
import sys

BITSTREAM, METADATA, MEM, CONNECTIVITY, IPS, DEBUG_IPS, CLOCKS, BUILD, KEYS, SYSTEM, GROUP_MEM, GROUP_CONNECTIVITY = 0, 2, 6, 7, 8, 9, 11, 14, 15, 22, 26, 27


def mem(kind, used, kib, base, tag):
    return struct.pack("<BB6xQQ16s", kind, used, kib, base, tag.encode())


def table(entries):
    return struct.pack("<i4x", len(entries)) + b"".join(entries)


def ip(kind, properties, base, name):
    return struct.pack("<IIQ64s", kind, properties, base, name.encode())


def arg(name, qualifier, number, port, size, offset, ctype):
    return (f'<arg name="{name}" addressQualifier="{qualifier}" id="{number}" port="{port}" size="{size:#x}" offset="{offset:#x}" hostOffset="0x0" '
            f'hostSize="{size:#x}" type="{ctype}"/>')


def kernel(name, args, instances, protocol):
    text = "\n          ".join(args)
    places = "\n          ".join(
        f'<instance name="{cu}">\n            <addrRemap base="{base:#x}" range="0x10000" port="S_AXI_CONTROL"/>\n          </instance>' for cu, base in instances)
    return f'''        <kernel name="{name}" language="ip_c" vlnv="xilinx.com:hls:{name}:1.0" attributes="" preferredWorkGroupSizeMultiple="0" workGroupSize="1" interrupt="true" hwControlProtocol="{protocol}">
          <ports>
            <port name="M_AXI_GMEM0" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="512" portType="addressable" base="0x0"/>
            <port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" portType="addressable" base="0x0"/>
          </ports>
          {text}
          <compileWorkGroupSize x="1" y="1" z="1"/>
          <maxWorkGroupSize x="1" y="1" z="1"/>
          <RTLLicense/>
          {places}
        </kernel>'''


def main():
    groups = "no-groups" not in sys.argv[2:]
    banks = [mem(1, 1, 4 << 20, 0, "bank0"), mem(7, 0, 128, 0x200000000, "PLRAM[0]"), mem(10, 1, 16 << 20, 0x2000000000, "HOST[0]")]
    grouped = banks + [mem(1, 1, 4 << 20, 0, "MBG[0]")]
    ips = [
        ip(1, 1 | 0 << 1 | 1 << 8, 0x1800000, "vadd:vadd_1"),
        ip(1, 1 | 1 << 1 | 1 << 8, 0x1810000, "vadd:vadd_2"),
        ip(1, 1 | 2 << 1 | 0 << 8, 0x1820000, "bandwidth:bandwidth_1"),
        ip(3, 0, 0x10000, "xilinx_memory_subsystem_ddr"),
    ]
    pointers = [(0, 0, 0), (1, 0, 0), (2, 0, 2), (0, 1, 0), (1, 1, 0), (2, 1, 2), (0, 2, 0), (1, 2, 0)]
    # a connection behind GROUP_CONNECTIVITY names the group as well
    extra = [(0, 2, 3)]

    def connections(list_):
        return struct.pack("<i", len(list_)) + b"".join(struct.pack("<iii", *c) for c in list_)

    xml = f'''<?xml version="1.0" encoding="UTF-8"?>
<!-- written by the tools; not to be edited -->
<project name="binary_container_1">
  <platform vendor="xilinx" boardid="u2" name="gen3x4_xdma_gc" featureRomTime="1633421498">
    <version major="202110" minor="1"/>
    <description/>
    <board name="" vendor="" fpga="">
      <interfaces/>
      <memories/>
      <images/>
    </board>
    <build_flow/>
    <host architecture="unknown"/>
    <device name="fpga0" fpgaDevice="kintexuplus:xcku15p:ffva1156:-2LV:e" addrWidth="0">
      <systemClocks/>
      <core name="OCL_REGION_0" target="bitstream" type="clc_region" clockFreq="0MHz" numComputeUnits="60">
        <kernelClocks>
          <clock port="DATA_CLK" frequency="300MHz"/>
          <clock port="KERNEL_CLK" frequency="500MHz"/>
        </kernelClocks>
{kernel("vadd", [arg("in1", 1, 0, "M_AXI_GMEM0", 8, 0x10, "unsigned int*"), arg("in2", 1, 1, "M_AXI_GMEM0", 8, 0x1C, "const ap_uint&lt;512&gt;*"),
    arg("out_r", 1, 2, "M_AXI_GMEM0", 8, 0x28, "void*"), arg("size", 0, 3, "S_AXI_CONTROL", 4, 0x34, "int"),
    arg("scale", 0, 4, "S_AXI_CONTROL", 8, 0x3C, "double")], [("vadd_1", 0x1800000), ("vadd_2", 0x1810000)], "ap_ctrl_chain")}
{kernel("bandwidth", [arg("input0", 1, 0, "M_AXI_GMEM0", 8, 0x10, "unsigned int*"), arg("output0", 1, 1, "M_AXI_GMEM0", 8, 0x1C, "unsigned int*"),
    arg("num_blocks", 0, 2, "S_AXI_CONTROL", 8, 0x28, "uint64_t")], [("bandwidth_1", 0x1820000)], "ap_ctrl_hs")}
        <connection srcType="core" srcInst="OCL_REGION_0" srcPort="S_AXI" dstType="kernel" dstInst="vadd_1" dstPort="S_AXI_CONTROL"/>
      </core>
      <BufferTopology/>
    </device>
    <resources resource_type="total">
      <resource name="LUT" value="522720"/>
    </resources>
  </platform>
  <Runtime name="OpenCL"/>
</project>
'''
    noise = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(4096))
    clocks = struct.pack("<h", 2) + struct.pack("<HB5x128s", 300, 1, b"DATA_CLK") + struct.pack("<HB5x128s", 500, 2, b"KERNEL_CLK")
    sections = [
        (BITSTREAM, b"", noise),
        (MEM, b"mem_topology", table(banks)),
        (IPS, b"ip_layout", table(ips)),
        (CONNECTIVITY, b"connectivity", connections(pointers)),
        (CLOCKS, b"clock_freq_topo", clocks),
        (BUILD, b"", b'{"build_metadata": {"xclbin": {"generated_by": {"name": "v++"}}}}'),
        (METADATA, b"", xml.encode()),
        (SYSTEM, b"", b'{"system_diagram_metadata": {}}'),
        (DEBUG_IPS, b"debug_ip_layout", struct.pack("<H6x", 0)),
    ]
    if groups:
        sections += [(GROUP_MEM, b"", table(grouped)), (GROUP_CONNECTIVITY, b"", connections(pointers + extra))]
    at = 456 + 40 * len(sections)
    headers, body = b"", b""
    for kind, name, data in sections:
        pad = -(at + len(body)) % 8
        body += bytes(pad)
        headers += struct.pack("<I16s4xQQ", kind, name, at + len(body), len(data))
        body += data
    body += bytes(-(at + len(body)) % 8)
    # struct axlf: magic, signature length, 28 reserved, key block, unique id; then the header
    out = b"xclbin2\0" + struct.pack("<i", -1) + b"\xff" * 28 + b"\xff" * 256 + b"\x12" * 8
    out += struct.pack("<QQQHBBHH", at + len(body), 1650000000, 1633421498, 0, 2, 9, 1, 0)
    out += bytes(16) + struct.pack("<64s", b"xilinx_u2_gen3x4_xdma_gc_2_202110_1") + bytes(range(1, 17)) + bytes(16)
    out += struct.pack("<I4x", len(sections))
    assert len(out) == 456, len(out)
    with open(sys.argv[1], "wb") as f:
        f.write(out + headers + body)


main()
