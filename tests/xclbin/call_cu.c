// SPDX-License-Identifier: BSD-2-Clause
/*
 * Call the kernels of an xclbin as the emulated card does: the shared object's entry, DDR, a register file. Usage: call_cu FILE. pack.sh makes FILE
 * from types.c and its two kernels. Prints TAP.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"
#include "../../tools/xclbin/bitstream.h"
#include "types.h"

#define DDR 65536

static u8 ddr[DDR] __attribute__((aligned(64)));
static u8 regs[CU_FILE_BYTES];
static int tests, failures;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
}

static const struct smartssd_cu_arg *find(const struct smartssd_xclbin_info *info, u32 cu, const char *name)
{
	for (u32 a = 0; a < info->cus[cu].nr_args; a++)
		if (!strcmp(info->args[info->cus[cu].first_arg + a].name, name))
			return &info->args[info->cus[cu].first_arg + a];
	printf("Bail out! no argument %s\n", name);
	exit(1);
}

static void put(const struct smartssd_xclbin_info *info, const char *name, const void *value, size_t bytes)
{
	memcpy(regs + find(info, 0, name)->offset, value, bytes);
}

#define PUT(name, type, value)                               \
	do {                                                 \
		type v_ = (value);                           \
		put(info, name, &v_, sizeof(v_));            \
	} while (0)

/* All types, each at an extreme. */
static void set_all(const struct smartssd_xclbin_info *info)
{
	memset(regs, 0xa5, sizeof(regs)); /* high bytes of narrow registers must not matter */
	PUT("out", u64, 256);
	PUT("out_bytes", u64, sizeof(struct types));
	PUT("in", u64, 4096);
	PUT("i8", int8_t, -128);
	PUT("u8_", uint8_t, 200);
	PUT("i16", int16_t, -32768);
	PUT("u16_", uint16_t, 65535);
	PUT("i32", int32_t, INT32_MIN);
	PUT("u32_", uint32_t, UINT32_MAX);
	PUT("i64", int64_t, INT64_MIN);
	PUT("u64_", uint64_t, UINT64_MAX);
	PUT("f", float, 0x1.fffffep-3f);
	PUT("d", double, -0x1.fffffffffffffp+9);
	PUT("b", _Bool, 1);
}

int main(int argc, char **argv)
{
	struct smartssd_xclbin_info *info;
	struct smartssd_why why = { 0 };
	struct types got;
	smartssd_cu_fn all, other;
	static u8 file[1 << 20];
	ssize_t bytes = 0;
	char path[64];
	void *lib;
	int fd;

	fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	if (fd >= 0)
		bytes = read(fd, file, sizeof(file));
	if (bytes <= 0 || smartssd_xclbin_parse(file, bytes, &info, &why)) {
		printf("Bail out! %s\n", why.text);
		return 1;
	}
	/* the card, too, loads it from memory */
	fd = memfd_create("bitstream", 0);
	if (fd < 0 || write(fd, file + info->bits_offset, info->bits_bytes) != (ssize_t)info->bits_bytes)
		return 1;
	sprintf(path, "/proc/self/fd/%d", fd);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		printf("Bail out! %s\n", dlerror());
		return 1;
	}
	all = (smartssd_cu_fn)dlsym(lib, SMARTSSD_CU_PREFIX "types");
	other = (smartssd_cu_fn)dlsym(lib, SMARTSSD_CU_PREFIX "second");
	ok(all && other, "both kernels have an entry");
	ok(!dlsym(lib, "types") && !dlsym(lib, "helper") && !dlsym(lib, "second"), "nothing else is exported");
	if (failures)
		return 1;

	set_all(info);
	memcpy(ddr + 4096, "\x11\x22\x33\x44", 4);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_RAN, "the kernel runs");
	memcpy(&got, ddr + 256, sizeof(got));
	ok(got.first == 0x44332211, "reads through a pointer");
	ok(got.i8 == -128 && got.u8_ == 200 && got.i16 == -32768 && got.u16_ == 65535, "narrow integers");
	ok(got.i32 == INT32_MIN && got.u32_ == UINT32_MAX && got.i64 == INT64_MIN && got.u64_ == UINT64_MAX, "32- and 64-bit integers");
	ok(got.f == 0x1.fffffep-3f && got.d == -0x1.fffffffffffffp+9, "float and double, bit for bit");
	ok(got.b == 1, "bool");
	ok(got.helper == 1, "its own helper");
	PUT("f", uint32_t, 0x7fa00001); /* a signalling NaN must not be touched on the way */
	all(ddr, DDR, regs);
	memcpy(&got, ddr + 256, sizeof(got));
	ok(isnan(got.f) && !memcmp(&got.f, "\x01\x00\xa0\x7f", 4), "NaN payload");

	set_all(info);
	PUT("out", u64, DDR);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_BAD_RANGE, "a pointer at the end of card memory");
	PUT("out", u64, ~0ull - 7);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_BAD_RANGE, "a pointer far outside");
	PUT("out", u64, DDR - 256);
	PUT("out_bytes", u64, 256);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_RAN, "a bound up to the end of card memory");
	PUT("out_bytes", u64, 257);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_BAD_RANGE, "a bound beyond it");
	PUT("out_bytes", u64, ~0ull);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_BAD_RANGE, "a bound that wraps");
	set_all(info);
	PUT("in", u64, 4098);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_UNALIGNED, "an unaligned pointer");
	PUT("in", u64, 0);
	memcpy(ddr, "\x01\x02\x03\x04", 4);
	ok(all(ddr, DDR, regs) == SMARTSSD_CU_RAN && !memcmp(ddr + 256 + offsetof(struct types, first), ddr, 4), "address 0 is a good one");

	memset(regs, 0, sizeof(regs));
	ok(other(ddr, DDR, regs) == SMARTSSD_CU_RAN && ddr[0] == 2, "the other kernel has a helper of the same name");
	printf("1..%d\n", tests);
	return failures != 0;
}
