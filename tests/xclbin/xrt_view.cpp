// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the real XRT (libxrt_coreutil) makes of an xclbin, as lines "key value..." for xrt.sh to compare. Needs no card: only XRT's parser runs.
 */
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <experimental/xrt_xclbin.h>

static void print_arg(const char *what, const std::string &owner, const xrt::xclbin::arg &arg)
{
	std::string mems;

	for (const auto &mem : arg.get_mems())
		mems += " " + mem.get_tag();
	std::printf("%s %s %zu name=%s offset=0x%llx size=%llu type=%s mems=%s\n", what, owner.c_str(), arg.get_index(), arg.get_name().c_str(),
		    (unsigned long long)arg.get_offset(), (unsigned long long)arg.get_size(), arg.get_host_type().c_str(),
		    mems.empty() ? "" : mems.c_str() + 1);
}

static void print_ip(const std::string &kernel, const xrt::xclbin::ip &ip)
{
	std::printf("cu %s kernel=%s base=0x%llx control=%d size=0x%zx args=%zu\n", ip.get_name().c_str(), kernel.c_str(),
		    (unsigned long long)ip.get_base_address(), (int)ip.get_control_type(), ip.get_size(), ip.get_num_args());
	for (const auto &arg : ip.get_args())
		print_arg("cu-arg", ip.get_name(), arg);
}

static void print_section(const axlf *top, const char *name, axlf_section_kind kind)
{
	const axlf_section_header *header = ::xclbin::get_axlf_section(top, kind);

	if (header)
		std::printf("section %s offset=%llu bytes=%llu\n", name, (unsigned long long)header->m_sectionOffset,
			    (unsigned long long)header->m_sectionSize);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	try {
		xrt::xclbin x{std::string(argv[1])};
		const axlf *top = x.get_axlf();

		std::printf("uuid %s\n", x.get_uuid().to_string().c_str());
		std::printf("platform %s\n", x.get_xsa_name().c_str());
		std::printf("target %d\n", (int)x.get_target_type());
		std::printf("mode %d\n", top->m_header.m_mode);
		std::printf("bytes %llu\n", (unsigned long long)top->m_header.m_length);
		std::printf("timestamp %llu\n", (unsigned long long)top->m_header.m_timeStamp);
		std::printf("device %s\n", x.get_fpga_device_name().c_str());
		print_section(top, "BITSTREAM", BITSTREAM);
		print_section(top, "EMBEDDED_METADATA", EMBEDDED_METADATA);
		print_section(top, "MEM_TOPOLOGY", MEM_TOPOLOGY);
		print_section(top, "CONNECTIVITY", CONNECTIVITY);
		print_section(top, "IP_LAYOUT", IP_LAYOUT);
		print_section(top, "CLOCK_FREQ_TOPOLOGY", CLOCK_FREQ_TOPOLOGY);
		print_section(top, "BUILD_METADATA", BUILD_METADATA);
		print_section(top, "KEYVALUE_METADATA", KEYVALUE_METADATA);
		print_section(top, "USER_METADATA", USER_METADATA);
		print_section(top, "ASK_GROUP_TOPOLOGY", ASK_GROUP_TOPOLOGY);
		print_section(top, "ASK_GROUP_CONNECTIVITY", ASK_GROUP_CONNECTIVITY);
		for (const auto &mem : x.get_mems())
			std::printf("memory %s base=0x%llx kib=%llu used=%d\n", mem.get_tag().c_str(), (unsigned long long)mem.get_base_address(),
				    (unsigned long long)mem.get_size_kb(), mem.get_used());
		std::printf("ips %zu\n", x.get_ips().size());
		for (const auto &kernel : x.get_kernels()) {
			std::printf("kernel %s args=%zu\n", kernel.get_name().c_str(), kernel.get_num_args());
			for (const auto &arg : kernel.get_args())
				print_arg("arg", kernel.get_name(), arg);
			for (const auto &ip : kernel.get_cus())
				print_ip(kernel.get_name(), ip);
		}
	} catch (const std::exception &e) {
		std::fprintf(stderr, "XRT refuses it: %s\n", e.what());
		return 1;
	}
	return 0;
}
