// SPDX-License-Identifier: BSD-2-Clause
/*
 * smartssd-card: the emulated card as a process of its own, for QEMU's ivshmem-doorbell device.
 *
 *   smartssd-card --socket S --shm FILE --ddr 224M
 *   qemu-system-x86_64 ... -chardev socket,path=S,id=c -device ivshmem-doorbell,vectors=16,chardev=c
 *
 * It is the device's ivshmem server (protocol version 0: 8-byte little-endian numbers, some with a descriptor) and
 * at the same time its one peer. The shared memory is BAR2: register ring and window first, then the card's DDR.
 *
 * Three threads beside the card's own: this one (socket, signals), one that serves the ring, and one that waits for
 * workers.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>
#include "ring.h"

#define PROTOCOL    0
#define CARD_PEER   0
#define HOST_PEER   1
#define MIN_VECTORS 2
#define MAX_VECTORS 64

struct server {
	/* options */
	const char *socket_path;
	const char *shm_path; /* NULL: nameless memory */
	u64 ddr_bytes;
	u32 vectors;
	u32 serial;
	bool keep;
	bool die_with_parent;
	const char *faults;

	int shm_fd;
	bool shm_named, socket_named; /* ours to remove */
	u64 shm_bytes;
	struct emu_ring *shared;
	int doorbell;		    /* the card's vector 0 */
	int vector_fd[MAX_VECTORS]; /* the host's */
	int listen_fd, client_fd, signal_fd;

	struct card *card;
	struct ring ring;
	bool stop; /* atomic */
	pthread_t ring_thread, worker_thread;
};

static const char usage[] =
	"usage: smartssd-card --socket PATH --ddr SIZE [OPTION...]\n"
	"An emulated SmartSSD card for QEMU: -chardev socket,path=PATH,id=c -device ivshmem-doorbell,vectors=16,chardev=c\n"
	"  --socket PATH      where QEMU connects to\n"
	"  --ddr SIZE         card memory, with K, M or G; together with the 32M register window a power of two: 32M, 96M, 224M, ...\n"
	"  --shm PATH         file for window and card memory (default: memory without a name)\n"
	"  --vectors N        MSI-X vectors, 2 to 64 (default 16)\n"
	"  --serial N         tells cards apart (default 1)\n"
	"  --fault SPEC,...   hang|crash|no-irq|wrong|gone|spurious[:CU[:NTH]]\n"
	"  --keep             wait for the next QEMU when one disconnects, with a card as after power-on\n"
	"  --die-with-parent  end with the process that started this one\n";

static int fail(const char *fmt, ...) __printf(1, 2);
static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs("smartssd-card: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

/* ---- interrupts and threads ---- */

static void raise_vector(void *ctx, u32 id)
{
	struct server *s = ctx;
	u32 vector = id == EMU_IRQ_SHELL ? 0 : 1 + id % (s->vectors - 1);
	u64 one = 1;

	if (write(s->vector_fd[vector], &one, sizeof(one)) < 0)
		return; /* the counter is full: the interrupt is pending anyway */
}

static void *ring_main(void *arg)
{
	ring_serve(arg);
	return NULL;
}

static void *worker_main(void *arg)
{
	struct server *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
		card_poll(s->card, ~0ull);
	return NULL;
}

static int start_threads(struct server *s)
{
	if (pthread_create(&s->ring_thread, NULL, ring_main, &s->ring))
		return fail("no thread");
	if (pthread_create(&s->worker_thread, NULL, worker_main, s)) {
		s->worker_thread = 0;
		return fail("no thread");
	}
	return 0;
}

static void stop_threads(struct server *s)
{
	u64 one = 1;

	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	__atomic_store_n(&s->ring.stop, true, __ATOMIC_RELEASE);
	if (s->ring_thread) {
		if (write(s->doorbell, &one, sizeof(one)) < 0)
			one = 0;
		pthread_join(s->ring_thread, NULL);
	}
	if (s->worker_thread) {
		card_kick(s->card);
		pthread_join(s->worker_thread, NULL);
	}
}

/* ---- names: what is left from a process that was killed may go, anything else not ---- */

static int claim_shm(const char *path)
{
	u32 magic = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 || errno != EEXIST)
		return fd;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		fail("%s: in use by another card", path);
	} else if (pread(fd, &magic, sizeof(magic), 0) != sizeof(magic) || magic != EMU_RING_MAGIC) {
		fail("%s: exists and is no card's memory; remove it or name another one", path);
	} else {
		unlink(path);
		close(fd);
		return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	close(fd);
	errno = 0; /* it has been said */
	return -1;
}

static int make_shm(struct server *s)
{
	struct statvfs fs;

	s->shm_bytes = SMARTSSD_WINDOW_BYTES + s->ddr_bytes;
	s->shm_fd = s->shm_path ? claim_shm(s->shm_path) : memfd_create("smartssd-bar2", MFD_CLOEXEC);
	if (s->shm_fd < 0)
		return errno ? fail("%s: %s", s->shm_path ? s->shm_path : "shared memory", strerror(errno)) : -1;
	s->shm_named = s->shm_path;
	if (s->shm_path && flock(s->shm_fd, LOCK_EX | LOCK_NB))
		return fail("%s: %s", s->shm_path, strerror(errno));
	if (ftruncate(s->shm_fd, s->shm_bytes))
		return fail("%s: %s", s->shm_path ? s->shm_path : "shared memory", strerror(errno));
	if (!fstatvfs(s->shm_fd, &fs) && fs.f_blocks && (u64)fs.f_bavail * fs.f_frsize < s->shm_bytes)
		fail("warning: %s: %llu MiB free for %llu MiB; QEMU dies of SIGBUS when the guest uses more than there is",
		     s->shm_path ? s->shm_path : "shared memory", (unsigned long long)fs.f_bavail * fs.f_frsize >> 20,
		     (unsigned long long)s->shm_bytes >> 20);
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED, s->shm_fd, 0);
	if (s->shared == MAP_FAILED) {
		s->shared = NULL;
		return fail("mapping the register ring: %s", strerror(errno));
	}
	return 0;
}

static int set_address(struct sockaddr_un *a, const char *path, const char *suffix)
{
	a->sun_family = AF_UNIX;
	if (snprintf(a->sun_path, sizeof(a->sun_path), "%s%s", path, suffix) >= (int)sizeof(a->sun_path))
		return fail("--socket %s: longer than the %zu characters of a socket's name", path, sizeof(a->sun_path) - 2);
	return 0;
}

/* Whoever sees the name can connect: it appears when the socket listens already. */
static int make_socket(struct server *s)
{
	struct sockaddr_un at = { 0 }, tmp = { 0 };
	struct stat st;
	int probe;

	if (set_address(&at, s->socket_path, "") || set_address(&tmp, s->socket_path, "~"))
		return -1;
	if (!lstat(at.sun_path, &st)) {
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!S_ISSOCK(st.st_mode) || probe < 0 || !connect(probe, (struct sockaddr *)&at, sizeof(at)) || errno != ECONNREFUSED) {
			close(probe);
			return fail("%s: exists and is in use, or no socket", at.sun_path);
		}
		close(probe);
	}
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(tmp.sun_path);
	if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&tmp, sizeof(tmp)) || listen(s->listen_fd, 4))
		return fail("%s: %s", s->socket_path, strerror(errno));
	if (rename(tmp.sun_path, at.sun_path)) {
		fail("%s: %s", s->socket_path, strerror(errno));
		unlink(tmp.sun_path);
		return -1;
	}
	s->socket_named = true;
	return 0;
}

/* ---- the ivshmem server ---- */

static int send_number(int sock, int64_t number, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	/* The buffer takes all of it; a client for whom it does not is none. */
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(number) ? 0 : -1;
}

static int greet(struct server *s)
{
	u64 count;
	u32 i;

	for (i = 0; i < s->vectors; i++) /* interrupts that went to whoever was connected before */
		if (read(s->vector_fd[i], &count, sizeof(count)) < 0)
			continue;
	if (send_number(s->client_fd, PROTOCOL, -1) || send_number(s->client_fd, HOST_PEER, -1) ||
	    send_number(s->client_fd, -1, s->shm_fd) || send_number(s->client_fd, CARD_PEER, s->doorbell))
		return -1;
	for (i = 0; i < s->vectors; i++)
		if (send_number(s->client_fd, HOST_PEER, s->vector_fd[i]))
			return -1;
	return 0;
}

static void accept_client(struct server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (s->client_fd >= 0) {
		fail("a second QEMU wants this card; refused");
		close(fd);
		return;
	}
	s->client_fd = fd;
	if (greet(s)) {
		close(fd);
		s->client_fd = -1;
	}
}

/* True: the client is gone. It has nothing to say to us. */
static bool client_left(struct server *s)
{
	char junk[64];
	ssize_t n = read(s->client_fd, junk, sizeof(junk));

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	close(s->client_fd);
	s->client_fd = -1;
	return true;
}

static int serve(struct server *s)
{
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = s->signal_fd, .events = POLLIN },
			{ .fd = s->listen_fd, .events = POLLIN },
			{ .fd = s->client_fd, .events = POLLIN },
		};

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return fail("poll: %s", strerror(errno));
		if (p[0].revents)
			return 0;
		if (p[2].revents && client_left(s)) {
			if (!s->keep)
				return 0;
			card_write(s->card, EMU_FAULT, EMU_FAULT_NONE);
			card_write(s->card, EMU_PROG_CTRL, 0);
		}
		if (p[1].revents)
			accept_client(s);
	}
}

/* ---- options ---- */

static int parse_number(const char *name, const char *text, u64 min, u64 max, u64 *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || *out < min || *out > max)
		return fail("--%s %s: a number from %llu to %llu", name, text, (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static int parse_size(const char *text, u64 *out)
{
	u64 total;

	if (!card_parse_bytes(text, 1ull << 40, out))
		*out = 0;
	total = *out + SMARTSSD_WINDOW_BYTES;
	if (*out < SMARTSSD_WINDOW_BYTES || total & (total - 1))
		return fail("--ddr %s: must be, with the 32M register window, a power of two: 32M, 96M, 224M, 480M, 992M, ...", text);
	return 0;
}

static int parse_options(struct server *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "shm", required_argument, NULL, 'm' },
		{ "ddr", required_argument, NULL, 'd' },    { "vectors", required_argument, NULL, 'v' },
		{ "serial", required_argument, NULL, 'n' }, { "fault", required_argument, NULL, 'f' },
		{ "keep", no_argument, NULL, 'k' },	    { "die-with-parent", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	    { NULL },
	};
	u64 n;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int bad = 0;

		switch (c) {
		case 's': s->socket_path = optarg; break;
		case 'm': s->shm_path = optarg; break;
		case 'd': bad = parse_size(optarg, &s->ddr_bytes); break;
		case 'v': bad = parse_number("vectors", optarg, MIN_VECTORS, MAX_VECTORS, &n); s->vectors = n; break;
		case 'n': bad = parse_number("serial", optarg, 0, 0xffffffff, &n); s->serial = n; break;
		case 'f': s->faults = optarg; break;
		case 'k': s->keep = true; break;
		case 'p': s->die_with_parent = true; break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return -1;
		}
		if (bad)
			return bad;
	}
	if (optind != argc || !s->socket_path || !s->ddr_bytes) {
		fputs(usage, stderr);
		return -1;
	}
	return 0;
}

/* With @card NULL only a check. */
static int arm_faults(const char *specs, struct card *card)
{
	char one[64];
	u32 value;

	while (specs && *specs) {
		size_t n = strcspn(specs, ",");

		if (snprintf(one, sizeof(one), "%.*s", (int)n, specs) >= (int)sizeof(one) || card_parse_fault(one, &value))
			return fail("--fault %s: hang|crash|no-irq|wrong|gone|spurious[:CU[:NTH]]", specs);
		if (card)
			card_write(card, EMU_FAULT, value);
		specs += n;
		specs += *specs == ',';
	}
	return 0;
}

/* ---- life ---- */

static int set_up(struct server *s)
{
	struct card_config config = { .ddr_bytes = s->ddr_bytes, .ddr_offset = SMARTSSD_WINDOW_BYTES, .serial = s->serial,
				      .irq = raise_vector, .ctx = s };
	struct smartssd_why why = { { 0 } };
	sigset_t signals;
	u32 i;

	/* Before there is any other thread, so that no thread takes them but through the descriptor. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	s->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; i < s->vectors; i++)
		s->vector_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->signal_fd < 0 || s->doorbell < 0 || s->vector_fd[s->vectors - 1] < 0)
		return fail("no descriptors: %s", strerror(errno));
	if (make_shm(s))
		return -1;
	config.ddr_fd = s->shm_fd;
	if (card_create(&config, &s->card, &why)) {
		s->card = NULL;
		return fail("%s", why.text);
	}
	ring_init(&s->ring, s->shared, s->card, CARD_PEER, s->vectors, s->doorbell);
	if (arm_faults(s->faults, s->card) || start_threads(s))
		return -1;
	return make_socket(s);
}

static void tear_down(struct server *s)
{
	if (s->socket_named)
		unlink(s->socket_path);
	if (s->shm_named)
		unlink(s->shm_path);
	stop_threads(s);
	card_destroy(s->card);
}

int main(int argc, char **argv)
{
	static struct server server = { .vectors = 16, .serial = 1, .shm_fd = -1, .listen_fd = -1, .client_fd = -1 };
	struct server *s = &server;
	pid_t parent = getppid();
	int ret;

	if (parse_options(s, argc, argv) || arm_faults(s->faults, NULL))
		return 2;
	if (s->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			return 0;
	}
	umask(077);
	ret = set_up(s);
	if (!ret)
		ret = serve(s);
	tear_down(s);
	return ret ? 1 : 0;
}
