// SPDX-License-Identifier: BSD-2-Clause
/*
 * The real ivshmem-doorbell device of QEMU against smartssd-card, without a guest: QEMU runs no CPU (-S), and this
 * program makes the accesses that a driver would make, through PCI configuration space, BAR0 (doorbell) and BAR2
 * (ring and card memory).
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "rig.h"

#define BAR0 0xf0000000ull
#define BAR2 0xc0000000ull
#define DEVFN (4 << 3)

static char dir[64], sock_path[100], shm_path[100];
static pid_t card, qemu;
static FILE *to, *from;

static u64 ask(const char *fmt, ...) __printf(1, 2);
static u64 ask(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vfprintf(to, fmt, ap);
	va_end(ap);
	fputc('\n', to);
	fflush(to);
	do {
		ck_assert_msg(fgets(line, sizeof(line), from) != NULL, "QEMU ended");
	} while (!strncmp(line, "IRQ", 3));
	ck_assert_msg(!strncmp(line, "OK", 2), "%s: %s", fmt, line);
	return line[2] == ' ' ? strtoull(line + 3, NULL, 0) : 0;
}

static u32 mem_read(u64 addr)
{
	return ask("readl 0x%llx", (unsigned long long)addr);
}

static void mem_write(u64 addr, u32 value)
{
	ask("writel 0x%llx 0x%x", (unsigned long long)addr, value);
}

static u32 config_read(u32 reg)
{
	ask("outl 0xcf8 0x%x", 0x80000000 | DEVFN << 8 | reg);
	return ask("inl 0xcfc");
}

static void config_write(u32 reg, u32 value)
{
	ask("outl 0xcf8 0x%x", 0x80000000 | DEVFN << 8 | reg);
	ask("outl 0xcfc 0x%x", value);
}

static pid_t spawn(char **argv, int in, int out)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (in >= 0)
			dup2(in, 0);
		if (out >= 0)
			dup2(out, 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static void setup(void)
{
	char chardev[160];
	char *card_argv[] = { (char *)rig_file("smartssd-card"), "--socket", sock_path, "--shm", shm_path, "--ddr", "32M", NULL };
	char *qemu_argv[] = { "qemu-system-x86_64", "-M", "q35", "-m", "64", "-accel", "tcg", "-S", "-nodefaults",
			      "-display", "none", "-chardev", chardev,
			      "-device", "ivshmem-doorbell,vectors=16,chardev=c,addr=4.0", "-qtest", "stdio", "-qtest-log", "/dev/null", NULL };
	int in[2], out[2], i;

	strcpy(dir, "/tmp/smartssd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock_path, sizeof(sock_path), "%s/s", dir);
	snprintf(shm_path, sizeof(shm_path), "%s/m", dir);
	snprintf(chardev, sizeof(chardev), "socket,path=%s,id=c", sock_path);
	card = spawn(card_argv, -1, -1);
	for (i = 0; i < 1000 && access(sock_path, F_OK); i++)
		usleep(5000);
	ck_assert_int_lt(i, 1000);
	ck_assert(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	qemu = spawn(qemu_argv, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	to = fdopen(in[1], "w");
	from = fdopen(out[0], "r");
	config_write(0x10, BAR0);
	config_write(0x18, BAR2);
	config_write(0x1c, 0);
	config_write(0x04, 6); /* memory, bus master */
}

static u32 ring_read(u32 addr)
{
	u32 head = mem_read(BAR2 + offsetof(struct emu_ring, head)), i;
	u64 entry = BAR2 + offsetof(struct emu_ring, entry) + head % EMU_RING_ENTRIES * sizeof(struct emu_ring_entry);

	mem_write(entry + offsetof(struct emu_ring_entry, op), EMU_RING_READ);
	mem_write(entry + offsetof(struct emu_ring_entry, addr), addr);
	mem_write(entry + offsetof(struct emu_ring_entry, value), 0);
	mem_write(BAR2 + offsetof(struct emu_ring, head), head + 1);
	if (mem_read(BAR2 + offsetof(struct emu_ring, sleeping)))
		mem_write(BAR0 + IVSHMEM_DOORBELL, mem_read(BAR2 + offsetof(struct emu_ring, card_peer)) << 16);
	for (i = 0; i < 1000 && mem_read(BAR2 + offsetof(struct emu_ring, tail)) != head + 1; i++)
		usleep(1000);
	ck_assert_int_lt(i, 1000);
	return mem_read(entry + offsetof(struct emu_ring_entry, value));
}

START_TEST(qemu_takes_the_card)
{
	int i;

	ck_assert_uint_eq(config_read(0), 0x11101af4);
	config_write(0x18, ~0u);
	ck_assert_uint_eq(config_read(0x18) & ~15u, ~(64u << 20) + 1); /* BAR2: window + memory */
	config_write(0x18, BAR2);
	ck_assert_uint_eq(mem_read(BAR0 + IVSHMEM_IVPOSITION), 1);
	ck_assert_uint_eq(mem_read(BAR2), EMU_RING_MAGIC);
	ck_assert_uint_eq(mem_read(BAR2 + offsetof(struct emu_ring, vectors)), 16);
	for (i = 0; i < 300; i++) /* around the ring; each with the doorbell, as it sleeps in between */
		ck_assert_uint_eq(ring_read(i % 2 ? EMU_ID : WIN_DNA_LO), i % 2 ? EMU_ID_VALUE : 1);
	/* the aperture is the card's memory: what the host writes there is in the file */
	mem_write(BAR2 + SMARTSSD_WINDOW_BYTES + 4096, 0x12345678);
	i = open(shm_path, O_RDONLY);
	u32 word = 0;

	ck_assert_int_eq(pread(i, &word, 4, SMARTSSD_WINDOW_BYTES + 4096), 4);
	ck_assert_uint_eq(word, 0x12345678);
	close(i);
	/* and when QEMU ends, the card does, and leaves nothing */
	fclose(to);
	kill(qemu, SIGTERM);
	waitpid(qemu, &i, 0);
	waitpid(card, &i, 0);
	ck_assert_int_eq(i, 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ivshmem card and QEMU");
	TCase *t = tcase_create("qemu");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (system("qemu-system-x86_64 --version >/dev/null 2>&1")) {
		puts("1..0 # SKIP no qemu-system-x86_64");
		return 77;
	}
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, qemu_takes_the_card);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
