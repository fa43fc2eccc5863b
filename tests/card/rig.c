// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "rig.h"

#define LENGTH_AT  304
#define UUID_AT	   416
#define NR_AT	   448
#define SECTION_AT 456

struct buf {
	u8 *data;
	u64 bytes, room;
};

static u64 put(struct buf *b, const void *data, u64 bytes)
{
	u64 at = b->bytes;

	while (b->bytes + bytes + 8 > b->room) {
		b->room = b->room ? 2 * b->room : 65536;
		b->data = realloc(b->data, b->room);
		ck_assert_ptr_nonnull(b->data);
	}
	if (bytes)
		memcpy(b->data + at, data, bytes);
	b->bytes += bytes;
	return at;
}

static void put_text(struct buf *b, const char *fmt, ...) __printf(2, 3);
static void put_text(struct buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(b, text, n);
}

static void section(struct buf *b, u32 index, u32 kind, const void *data, u64 bytes)
{
	static const u8 zero[8];
	u8 *header;
	u64 at;

	put(b, zero, -b->bytes & 7);
	at = put(b, data, bytes);
	header = b->data + SECTION_AT + 40 * index;
	memcpy(header, &kind, 4);
	memcpy(header + 24, &at, 8);
	memcpy(header + 32, &bytes, 8);
}

static void metadata(struct buf *xml, const struct rig_cu *cus, u32 nr)
{
	static const struct { const char *name; u32 pointer, bytes, offset; } args[] = {
		{ "a", 1, 8, ARG_A }, { "b", 1, 8, ARG_B }, { "n", 0, 4, ARG_N },
	};
	u32 i, k, a;

	put_text(xml, "<project name=\"test\"><platform name=\"p\"><device name=\"d\"><core name=\"c\">");
	for (i = 0; i < nr; i++) {
		int len = strcspn(cus[i].name, ":");

		for (k = 0; k < i; k++)
			if (!strncmp(cus[k].name, cus[i].name, len + 1))
				break;
		if (k < i)
			continue; /* one entry per kernel */
		put_text(xml, "<kernel name=\"%.*s\">", len, cus[i].name);
		for (a = 0; a < 3; a++)
			put_text(xml, "<arg name=\"%s\" addressQualifier=\"%u\" id=\"%u\" size=\"0x%x\" offset=\"0x%x\" port=\"M\" type=\"uint\"/>",
				 args[a].name, args[a].pointer, a, args[a].bytes, args[a].offset);
		put_text(xml, "</kernel>");
	}
	put_text(xml, "</core></device></platform></project>");
}

u8 *rig_xclbin(const struct rig_cu *cus, u32 nr, const char *bits, u64 *bytes)
{
	struct buf b = { 0 }, xml = { 0 }, ip = { 0 };
	u8 header[SECTION_AT + 3 * 40] = "xclbin2";
	u32 i, sections = bits ? 3 : 2;

	memset(header + UUID_AT, 0x5a, 16);
	memcpy(header + NR_AT, &sections, 4);
	put(&b, header, sizeof(header));
	metadata(&xml, cus, nr);
	section(&b, 0, 2, xml.data, xml.bytes);

	put(&ip, &nr, 4);
	put(&ip, "\0\0\0", 4);
	for (i = 0; i < nr; i++) {
		u8 entry[80] = { 1 };
		u32 properties = cus[i].control << 8 | (cus[i].irq >= 0 ? 1 | cus[i].irq << 1 : 0);

		memcpy(entry + 4, &properties, 4);
		memcpy(entry + 8, &cus[i].base, 8);
		snprintf((char *)entry + 16, 64, "%s", cus[i].name);
		put(&ip, entry, sizeof(entry));
	}
	section(&b, 1, 8, ip.data, ip.bytes);
	if (bits) {
		FILE *f = fopen(rig_file(bits), "r");
		struct buf so = { 0 };
		u8 part[4096];
		size_t n;

		ck_assert_msg(f != NULL, "%s is missing", bits);
		while ((n = fread(part, 1, sizeof(part), f)))
			put(&so, part, n);
		fclose(f);
		section(&b, 2, 0, so.data, so.bytes);
		free(so.data);
	}
	memcpy(b.data + LENGTH_AT, &b.bytes, 8);
	free(xml.data);
	free(ip.data);
	*bytes = b.bytes;
	return b.data;
}

const char *rig_file(const char *name)
{
	static char path[PATH_MAX];
	char exe[PATH_MAX], *p, *tree = NULL;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	ck_assert_int_gt(n, 0);
	exe[n] = 0;
	for (p = exe; (p = strstr(p, "/build/")); p++)
		tree = p;
	ck_assert_ptr_nonnull(tree);
	ck_assert_int_lt(snprintf(path, sizeof(path), "%.*s/build/%s", (int)(tree - exe), exe, name), (int)sizeof(path));
	return path;
}

static void irq(void *ctx, u32 id)
{
	struct rig *rig = ctx;

	if (id == EMU_IRQ_SHELL)
		__atomic_add_fetch(&rig->shell_irqs, 1, __ATOMIC_SEQ_CST);
	else
		__atomic_add_fetch(&rig->irqs[id], 1, __ATOMIC_SEQ_CST);
}

struct rig *rig_open(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct card_config config = { .ddr_bytes = RIG_DDR, .ddr_fd = -1, .serial = 77, .irq = irq, .ctx = rig };
	struct smartssd_why why = { { 0 } };

	ck_assert_ptr_nonnull(rig);
	ck_assert_msg(!card_create(&config, &rig->card, &why), "%s", why.text);
	return rig;
}

void rig_close(struct rig *rig)
{
	card_destroy(rig->card);
	free(rig);
}

u32 rd(struct rig *rig, u64 addr)
{
	return card_read(rig->card, addr);
}

void wr(struct rig *rig, u64 addr, u32 value)
{
	card_write(rig->card, addr, value);
}

void wr64(struct rig *rig, u64 addr, u64 value)
{
	wr(rig, addr, value);
	wr(rig, addr + 4, value >> 32);
}

u32 rig_program_data(struct rig *rig, const void *data, u64 bytes)
{
	u32 status;
	int ms;

	ck_assert_uint_le(RIG_XCLBIN + bytes, RIG_DDR);
	memcpy((u8 *)card_ddr(rig->card) + RIG_XCLBIN, data, bytes);
	wr64(rig, EMU_PROG_ADDR, RIG_XCLBIN);
	wr64(rig, EMU_PROG_BYTES, bytes);
	wr(rig, EMU_PROG_CTRL, 1);
	for (ms = 0; ms < 20000 && (status = rd(rig, EMU_PROG_STATUS)) == EMU_PROG_BUSY; ms++)
		usleep(1000);
	return status;
}

u32 rig_program(struct rig *rig, const struct rig_cu *cus, u32 nr, const char *bits)
{
	u64 bytes;
	u8 *data = rig_xclbin(cus, nr, bits, &bytes);
	u32 status = rig_program_data(rig, data, bytes);

	free(data);
	return status;
}

void rig_one(struct rig *rig, const char *kernel, u32 control)
{
	char name[64];
	struct rig_cu cu = { name, CU0, control, IRQ0 };

	snprintf(name, sizeof(name), "%s:cu", kernel);
	ck_assert_uint_eq(rig_program(rig, &cu, 1, "tests/card/bits.so"), EMU_PROG_OK);
}

u32 rig_status(struct rig *rig, u32 cu)
{
	wr(rig, EMU_CU_SELECT, cu);
	return rd(rig, EMU_CU_STATUS);
}

void rig_enable(struct rig *rig, u64 base)
{
	wr(rig, base + CU_IER, CU_IRQ_DONE);
	wr(rig, base + CU_GIE, 1);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

bool rig_wait_irq(struct rig *rig, u32 id, u32 irqs)
{
	u64 end = now_ms() + 5000;
	u32 *count = id == EMU_IRQ_SHELL ? &rig->shell_irqs : &rig->irqs[id];

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < irqs) {
		if (now_ms() > end)
			return false;
		card_poll(rig->card, 100000000);
	}
	return true;
}

bool rig_wait_done(struct rig *rig, u64 base)
{
	int ms;

	for (ms = 0; ms < 5000; ms++) {
		if (rd(rig, base + CU_CTRL) & CU_CTRL_DONE)
			return true;
		usleep(1000);
	}
	return false;
}

/* Children of @parent that run smartssd-cu, the nth of them; counts into *nr. Zombies count too: they would be a leak. */
static pid_t find_worker(pid_t parent, u32 nth, u32 *nr)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	*nr = 0;
	while ((e = readdir(dir))) {
		char path[300], comm[64];
		int pid, ppid;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || !(f = fopen(path, "r")))
			continue;
		if (fscanf(f, "%d (%63[^)]) %*c %d", &pid, comm, &ppid) == 3 && ppid == parent && !strcmp(comm, "smartssd-cu")) {
			if (*nr == nth)
				found = pid;
			++*nr;
		}
		fclose(f);
	}
	closedir(dir);
	return found;
}

pid_t rig_worker(struct rig *rig, u32 nth)
{
	u32 nr;

	(void)rig;
	return find_worker(getpid(), nth, &nr);
}

u32 rig_workers(pid_t parent)
{
	u32 nr;

	find_worker(parent, ~0u, &nr);
	return nr;
}
