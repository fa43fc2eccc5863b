// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of shells.
 *
 * SmartSSD, 10ee:6988 (the user function): the user window is BAR 0 (32 MiB), the card memory is
 * the prefetchable BAR 4 (8 GiB, of which 4 GiB are there), offset = card address. Never run on
 * hardware. What the user function cannot do is not pretended: it cannot program the FPGA (that is
 * the management function's, with the vendor's tools), so loading an xclbin only adopts what was
 * programmed; it cannot reset a single CU; and how the shell routes CU interrupts to MSI-X is not
 * public, so CUs are polled.
 *
 * ivshmem, 1af4:1110: a card process behind QEMU's ivshmem-doorbell. Registers go through the ring
 * at the start of BAR 2, the card memory is the rest of it.
 */
#include <linux/delay.h>
#include <linux/io.h>

#include "shell.h"

#define SMARTSSD_DDR_BYTES (4ull << 30)

static u32 hw_read(struct smartssd_dev *sd, u32 addr)
{
	return readl(sd->window + addr);
}

static void hw_write(struct smartssd_dev *sd, u32 addr, u32 value)
{
	writel(value, sd->window + addr);
}

static bool hw_alive(struct smartssd_dev *sd)
{
	return pci_device_is_present(sd->pdev);
}

static int hw_setup(struct smartssd_dev *sd)
{
	struct pci_dev *pdev = sd->pdev;

	if (pci_resource_len(pdev, 0) < SMARTSSD_WINDOW_BYTES ||
	    pci_resource_len(pdev, 4) < SMARTSSD_DDR_BYTES) {
		dev_err(&pdev->dev, "BARs are not those of a SmartSSD shell; unassigned?\n");
		return -ENODEV;
	}
	sd->window = devm_ioremap(&pdev->dev, pci_resource_start(pdev, 0), SMARTSSD_WINDOW_BYTES);
	if (!sd->window)
		return -ENOMEM;
	sd->aperture_bytes = SMARTSSD_DDR_BYTES;
	return 0;
}

static void emu_sleep(u32 us)
{
	usleep_range(us, us + us / 2);
}

static bool emu_alive(struct smartssd_dev *sd)
{
	return smartssd_ring_read(sd, EMU_ID) == EMU_ID_VALUE;
}

static int emu_setup(struct smartssd_dev *sd)
{
	int ret = smartssd_ring_open(sd);

	if (ret)
		return ret;
	if (!emu_alive(sd)) {
		dev_err(&sd->pdev->dev, "no card process answers behind the shared memory\n");
		return -ENODEV;
	}
	return 0;
}

static int emu_program(struct smartssd_dev *sd, u64 address, u64 bytes)
{
	u32 status = 0;
	int ret;

	ret = smartssd_emu_program(&sd->bus, address, bytes, emu_sleep, &status);
	if (ret)
		dev_err_ratelimited(&sd->pdev->dev, "the card refused the xclbin: %d, status %u\n",
				    ret, status);
	return ret;
}

static int emu_cu_reset(struct smartssd_dev *sd, u32 cu)
{
	return smartssd_emu_cu_reset(&sd->bus, cu);
}

static int emu_cu_crashed(struct smartssd_dev *sd, u32 cu)
{
	u32 status = smartssd_emu_cu_status(&sd->bus, cu);

	if (status == (u32)~0)
		return -ENODEV;
	return (status & 0xff) == EMU_CU_CRASHED;
}

static void emu_fault(struct smartssd_dev *sd, u32 value)
{
	smartssd_ring_write(sd, EMU_FAULT, value);
}

enum { SHELL_SMARTSSD, SHELL_IVSHMEM };

const struct smartssd_shell smartssd_shells[] = {
	[SHELL_SMARTSSD] = {
		.name = "smartssd",
		.id = SMARTSSD_SHELL_SMARTSSD,
		.aperture_bar = 4,
		.setup = hw_setup,
		.read = hw_read,
		.write = hw_write,
		.alive = hw_alive,
	},
	[SHELL_IVSHMEM] = {
		.name = "ivshmem",
		.id = SMARTSSD_SHELL_IVSHMEM,
		.features = SMARTSSD_FEATURE_EMULATED | SMARTSSD_FEATURE_PROGRAM |
			    SMARTSSD_FEATURE_CU_RESET,
		.aperture_bar = 2,
		.aperture_offset = SMARTSSD_WINDOW_BYTES,
		.setup = emu_setup,
		.cleanup = smartssd_ring_close,
		.read = smartssd_ring_read,
		.write = smartssd_ring_write,
		.alive = emu_alive,
		.program = emu_program,
		.cu_reset = emu_cu_reset,
		.cu_crashed = emu_cu_crashed,
		.fault = emu_fault,
	},
};

const struct pci_device_id smartssd_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_XILINX, 0x6988), .driver_data = SHELL_SMARTSSD },
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110), .driver_data = SHELL_IVSHMEM },
	{}
};
MODULE_DEVICE_TABLE(pci, smartssd_ids);
