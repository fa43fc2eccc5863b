// SPDX-License-Identifier: BSD-2-Clause
/*
 * smartssd vm: boot a guest with N emulated cards and run a program of the host in it.
 *
 * The guest sees the host's files read-only and the current folder read-write, so what was just built runs as it is. Per card
 * there are two processes: QEMU holds the NVMe SSD and the switch, smartssd-card is the FPGA. All of it ends with this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "../../runtime/libsmartssd.h"
#include "../smartssd/commands.h"
#include "../smartssd/progress.h"
#include "vm.h"

extern char **environ;

static struct vm_files files;
static pid_t card_pid[VM_MAX_CARDS], qemu_pid;
static volatile sig_atomic_t stop_signal;
static struct termios saved_tty;
static bool tty_changed, told_late;
static double deadline; /* 0: none */

static const char usage[] =
	"usage: smartssd vm [OPTION...] [-- COMMAND [ARG...]]\n"
	"Boot a guest with emulated SmartSSDs and run COMMAND in it (default: an interactive shell). Its exit status is that of COMMAND.\n"
	"  --cards N           cards, 0 to 8 (default 1): /dev/smartssd0 and its SSD /dev/ssd0 (a link to /dev/nvmeXn1), ...\n"
	"  --fs ext4|xfs       make this filesystem on each SSD, mounted on /mnt/ssd0, ...\n"
	"  --drive FILE        raw image of the first SSD (kept; default: a new, empty one)\n"
	"  --ssd MB            size of new SSDs (default 512)     --ddr MB   card BAR, a power of two (default 256: 224 MB of card memory)\n"
	"  --lba BYTES         logical block: 512 or 4096 (default 512)\n"
	"  --topology T        switch (default), split: SSD and FPGA on root ports of their own, alone: no SSD\n"
	"  --virtio-disk       one more disk, /dev/vda, that takes no peer DMA\n"
	"  --kernel K          plain, debug (KASAN, lockdep, fault injection), or a folder made by build-kernel.sh (default: what is built)\n"
	"  --module FILE|none  the driver (default: of the build tree)     --params \"A=B\"   its parameters\n"
	"  --memory MB         guest memory (default 2048)        --append \"ARGS\"   more kernel command line\n"
	"  --fault SPEC        fault knob of the card processes, as of smartssd-card\n"
	"  --strict            exit 70 when the guest's kernel log has a KASAN, lockdep, leak or WARN line, whatever COMMAND says\n"
	"  --log FILE          keep the guest's kernel log        --trace FILE   keep QEMU's trace of the SSDs' DMA addresses\n"
	"  --timeout S         end everything after S seconds (exit 124)\n"
	"  --accel tcg|kvm     default tcg, or $SMARTSSD_VM_ACCEL\n"
	"In the guest, a line written to /run/smartssd-vm/request acts on the host: \"kill-card N\".\n";

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs("smartssd vm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

static void on_signal(int sig)
{
	stop_signal = sig;
}

/* The exit status when a signal came or the time is over, which is said; 0: go on. */
static int stopped(const struct vm_options *opt)
{
	if (stop_signal)
		return 128 + stop_signal;
	if (!deadline || seconds_now() <= deadline)
		return 0;
	if (!told_late)
		fail("not done after %d s: ended", opt->timeout_s);
	told_late = true;
	return 124;
}

/* ---- small files ---- */

static int write_file(const char *path, const void *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret = fd < 0 || write(fd, data, bytes) != (ssize_t)bytes ? fail("%s: %s", path, strerror(errno)) : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

/* A zero follows the bytes. */
static void *read_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = NULL;

	if (fd >= 0 && !fstat(fd, &st)) {
		p = malloc(st.st_size + 1);
		if (p && read(fd, p, st.st_size) != st.st_size) {
			free(p);
			p = NULL;
		}
		if (p)
			((char *)p)[st.st_size] = 0;
		*bytes = st.st_size;
	}
	if (fd >= 0)
		close(fd);
	return p;
}

/* One member of a "newc" cpio archive (Linux Documentation/driver-api/early-userspace/buffer-format.rst). */
static void cpio_member(FILE *f, const char *name, unsigned int mode, const void *data, size_t bytes)
{
	static const char zeros[4];
	int n = fprintf(f, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", 1, mode, 0, 0, 1, 0, (unsigned int)bytes,
			0, 0, 0, 0, (unsigned int)strlen(name) + 1, 0, name);

	fputc(0, f);
	fwrite(zeros, 1, (4 - (n + 1) % 4) % 4, f);
	if (bytes)
		fwrite(data, 1, bytes, f);
	fwrite(zeros, 1, (4 - bytes % 4) % 4, f);
}

static int make_initrd(void)
{
	char path[PATH_MAX];
	size_t bytes = 0;
	void *init;
	FILE *f;

	if (smartssd_find_file("vm-init", path, sizeof(path)))
		return fail("vm-init is missing; run make first");
	init = read_file(path, &bytes);
	f = init ? fopen(files.initrd, "we") : NULL;
	if (!f) {
		free(init);
		return fail("%s: %s", init ? files.initrd : path, strerror(errno));
	}
	cpio_member(f, "init", 0100755, init, bytes);
	cpio_member(f, "TRAILER!!!", 0, NULL, 0);
	free(init);
	return fclose(f) ? fail("%s: %s", files.initrd, strerror(errno)) : 0;
}

/* ---- processes ---- */

static pid_t spawn(char **argv, bool keep_tty)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	/* die with us, also when we are killed */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (!keep_tty) {
		int fd = open("/dev/null", O_RDONLY);

		dup2(fd, 0);
		setpgid(0, 0);
	}
	execvp(argv[0], argv);
	fprintf(stderr, "smartssd vm: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int run_and_wait(char **argv)
{
	int status = 0;
	pid_t pid = spawn(argv, false);

	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void end_process(pid_t *pid)
{
	int i;

	if (*pid <= 0)
		return;
	kill(*pid, SIGTERM);
	for (i = 0; i < 100; i++) {
		if (waitpid(*pid, NULL, WNOHANG) != 0) {
			*pid = 0;
			return;
		}
		usleep(20000);
	}
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static void shm_name(char *path, size_t bytes, int card)
{
	snprintf(path, bytes, "/dev/shm/smartssd-%d-card%d", (int)getpid(), card);
}

static void clean_up(void)
{
	char shm[64];
	int i;

	end_process(&qemu_pid);
	for (i = 0; i < VM_MAX_CARDS; i++) {
		end_process(&card_pid[i]);
		/* a card that was killed could not do it */
		shm_name(shm, sizeof(shm), i);
		unlink(shm);
	}
	if (tty_changed)
		tcsetattr(0, TCSANOW, &saved_tty);
	if (files.dir[0]) {
		char *argv[] = { "rm", "-rf", files.dir, NULL };

		run_and_wait(argv);
	}
}

static int start_card(const struct vm_options *opt, int i)
{
	char exe[PATH_MAX], sock[PATH_MAX], shm[PATH_MAX], ddr[32], serial[32];
	char *argv[16];
	int n = 0, t;

	if (smartssd_find_file("smartssd-card", exe, sizeof(exe)))
		return fail("smartssd-card is missing; run make first");
	snprintf(sock, sizeof(sock), "%s/card%d.sock", files.dir, i);
	shm_name(shm, sizeof(shm), i);
	snprintf(ddr, sizeof(ddr), "%dM", opt->ddr_mb - 32);
	snprintf(serial, sizeof(serial), "%d", i + 1);
	argv[n++] = exe;
	argv[n++] = "--socket";
	argv[n++] = sock;
	argv[n++] = "--shm";
	argv[n++] = shm;
	argv[n++] = "--ddr";
	argv[n++] = ddr;
	argv[n++] = "--serial";
	argv[n++] = serial;
	argv[n++] = "--vectors";
	argv[n++] = "16";
	argv[n++] = "--die-with-parent";
	if (opt->fault) {
		argv[n++] = "--fault";
		argv[n++] = (char *)opt->fault;
	}
	argv[n] = NULL;
	card_pid[i] = spawn(argv, false);
	for (t = 0; t < 500; t++) {
		if (!access(sock, F_OK))
			return 0;
		if (waitpid(card_pid[i], NULL, WNOHANG)) {
			card_pid[i] = 0;
			break;
		}
		usleep(10000);
	}
	return fail("card process %d did not start", i);
}

static int make_image(const struct vm_options *opt, int i)
{
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/ssd%d.img", files.dir, i);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ret = fd < 0 || ftruncate(fd, (off_t)opt->ssd_mb << 20) ? fail("%s: %s", path, strerror(errno)) : 0;
	if (fd >= 0)
		close(fd);
	if (ret || !opt->fs)
		return ret;
	if (!strcmp(opt->fs, "ext4")) {
		char *argv[] = { "/sbin/mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", path, NULL };

		ret = run_and_wait(argv);
	} else {
		char sector[32];
		char *argv[] = { "/sbin/mkfs.xfs", "-q", "-f", "-s", sector, path, NULL };

		snprintf(sector, sizeof(sector), "size=%d", opt->lba);
		ret = run_and_wait(argv);
	}
	return ret ? fail("cannot make a %s filesystem", opt->fs) : 0;
}

/* ---- kernel and module ---- */

/*
 * Run build-kernel.sh in a process group of its own, because it has compilers below it, and take the folder that it prints. It ends
 * when we are stopped or the time is over.
 */
static int run_script(const struct vm_options *opt, char *script, const char *flavour, bool only_path, char dir[PATH_MAX])
{
	char *argv[] = { "bash", script, (char *)flavour, only_path ? "--path" : NULL, NULL };
	pid_t parent = getpid(), pid;
	int out[2], status = 0, patience;
	size_t used = 0;
	ssize_t n = -1;

	dir[0] = 0;
	if (pipe2(out, O_CLOEXEC))
		return fail("%s: %s", script, strerror(errno));
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent || dup2(open("/dev/null", O_RDONLY), 0) < 0 || dup2(out[1], 1) < 0)
			_exit(1);
		execvp(argv[0], argv);
		fprintf(stderr, "smartssd vm: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(out[1]);
	if (pid < 0) {
		close(out[0]);
		return fail("%s: %s", script, strerror(errno));
	}
	setpgid(pid, pid); /* whoever of the two comes first */
	/* Until it closes its output, which is when it ends. */
	while (!stopped(opt) && n) {
		struct pollfd p = { .fd = out[0], .events = POLLIN };

		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(out[0], dir + used, PATH_MAX - 1 - used);
		if (n > 0)
			used += n;
		else if (n < 0 && errno != EINTR)
			break;
	}
	dir[used] = 0;
	dir[strcspn(dir, "\n")] = 0;
	close(out[0]);
	if (stopped(opt)) {
		kill(-pid, SIGTERM);
		/* It takes its half-made files away. */
		for (patience = 0; patience < 500 && !waitpid(pid, &status, WNOHANG); patience++)
			usleep(20000);
		kill(-pid, SIGKILL);
		if (patience == 500)
			waitpid(pid, &status, 0);
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status) && dir[0] ? 0 : -1;
}

static int find_module(const char *flavour, char *path, size_t bytes)
{
	char name[64];

	snprintf(name, sizeof(name), "kmod-%s/smartssd.ko", flavour);
	return smartssd_find_file(name, path, bytes);
}

static int find_kernel(struct vm_options *opt)
{
	static const char *const order[] = { "plain", "debug" };
	char script[PATH_MAX], dir[PATH_MAX];
	const char *flavour = opt->kernel;
	bool found = false;
	size_t i;

	if (flavour && strchr(flavour, '/')) {
		snprintf(files.kernel, sizeof(files.kernel), "%s/bzImage", flavour);
		if (!opt->module)
			return fail("--kernel FOLDER needs --module FILE or --module none");
		return access(files.kernel, R_OK) ? fail("%s: %s", files.kernel, strerror(errno)) : 0;
	}
	if (flavour && strcmp(flavour, "plain") && strcmp(flavour, "debug"))
		return fail("--kernel %s: plain, debug or a folder", flavour);
	if (smartssd_find_file("vm/build-kernel.sh", script, sizeof(script)))
		return fail("vm/build-kernel.sh is missing; run make first");
	for (i = 0; i < 2 && !found; i++) {
		if (opt->kernel && strcmp(opt->kernel, order[i]))
			continue;
		if (run_script(opt, script, order[i], true, dir))
			return stopped(opt) ? -1 : fail("no guest kernel: %s failed", script);
		snprintf(files.kernel, sizeof(files.kernel), "%.*s/bzImage", PATH_MAX - 16, dir);
		/* A kernel without its driver is of no use as long as there is another one. */
		found = !access(files.kernel, R_OK) && (opt->kernel || opt->module || !find_module(order[i], files.module, sizeof(files.module)));
		flavour = order[i];
	}
	if (!found) {
		flavour = opt->kernel ? opt->kernel : "plain";
		if (run_script(opt, script, flavour, false, dir))
			return stopped(opt) ? -1 : fail("no guest kernel: %s failed; it is kept in $SMARTSSD_CACHE, by default ~/.cache/smartssd",
							script);
		snprintf(files.kernel, sizeof(files.kernel), "%.*s/bzImage", PATH_MAX - 16, dir);
	}
	if (!opt->module && find_module(flavour, files.module, sizeof(files.module)))
		return fail("kmod-%s/smartssd.ko, the driver for this guest kernel, is not built; in the project's folder: make kmod-%s", flavour,
			    flavour);
	return 0;
}

/* ---- what the guest is told ---- */

static int write_zeros(const char *name, char *const *v)
{
	char path[PATH_MAX + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", files.run, name);
	f = fopen(path, "we");
	if (!f)
		return fail("%s: %s", path, strerror(errno));
	for (; *v; v++)
		fwrite(*v, 1, strlen(*v) + 1, f);
	return fclose(f) ? fail("%s: %s", path, strerror(errno)) : 0;
}

static int write_spec(const struct vm_options *opt, bool tty)
{
	char path[PATH_MAX + 16], *text = NULL;
	struct winsize ws = { 24, 80, 0, 0 };
	int ret;

	ioctl(1, TIOCGWINSZ, &ws);
	snprintf(path, sizeof(path), "%s/spec", files.run);
	if (asprintf(&text, "share=%s\ncwd=%s\nfs=%s\ndrives=%d\ncards=%d\nmodule=%s\nmodule_params=%s\nunload=%d\ntty=%d\nstdin=%d\nrows=%d\ncols=%d\n",
		     files.share, files.share, opt->fs ? opt->fs : "", opt->topology == VM_ALONE ? 0 : opt->cards, opt->cards,
		     files.module, opt->params ? opt->params : "", opt->strict, tty, isatty(0) || opt->argv == NULL, ws.ws_row, ws.ws_col) < 0)
		return -1;
	ret = write_file(path, text, strlen(text));
	free(text);
	if (!ret)
		ret = write_zeros("argv", opt->argv ? opt->argv : (char *[]){ "/bin/bash", "-i", NULL });
	return ret ? ret : write_zeros("env", environ);
}

static void serve_request(void)
{
	char path[PATH_MAX + 16], done[PATH_MAX + 16], *text;
	size_t bytes = 0;
	int card;

	snprintf(path, sizeof(path), "%s/request", files.run);
	if (access(path, F_OK))
		return;
	text = read_file(path, &bytes);
	if (!text || !bytes || !memchr(text, '\n', bytes)) {
		free(text); /* still being written */
		return;
	}
	if (sscanf(text, "kill-card %d", &card) == 1 && card >= 0 && card < VM_MAX_CARDS && card_pid[card] > 0) {
		kill(card_pid[card], SIGKILL);
		waitpid(card_pid[card], NULL, 0);
		card_pid[card] = 0;
	}
	free(text);
	snprintf(done, sizeof(done), "%s/request-done", files.run);
	rename(path, done);
}

static int boot(const struct vm_options *opt)
{
	char path[PATH_MAX + 16], *text;
	int i, status = 0, code = 125;
	size_t bytes = 0;

	for (i = 0; i < opt->cards; i++)
		if (start_card(opt, i))
			return stopped(opt) ?: 125;
	if (isatty(0) && !tcgetattr(0, &saved_tty))
		tty_changed = true;
	qemu_pid = spawn(vm_qemu_argv(opt, &files), true);
	for (;;) {
		if (waitpid(qemu_pid, &status, WNOHANG)) {
			qemu_pid = 0;
			break;
		}
		if (stopped(opt))
			return stopped(opt);
		serve_request();
		usleep(10000);
	}
	snprintf(path, sizeof(path), "%s/status", files.run);
	text = read_file(path, &bytes);
	if (text && bytes)
		code = atoi(text);
	else
		fail("the guest ended without saying how; its last words:");
	if (!text || !bytes) {
		char *argv[] = { "tail", "-n", "25", files.klog, NULL };

		run_and_wait(argv);
	}
	free(text);
	return code;
}

/* As execvp() finds it. */
static bool in_path(const char *name)
{
	const char *p = getenv("PATH"), *end;
	char path[PATH_MAX];

	for (p = p ? p : "/usr/bin:/bin"; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ':');
		if (snprintf(path, sizeof(path), "%.*s/%s", end > p ? (int)(end - p) : 1, end > p ? p : ".", name) < (int)sizeof(path) &&
		    !access(path, X_OK))
			return true;
	}
	return false;
}

static int prepare(struct vm_options *opt)
{
	const char *tmp = getenv("TMPDIR");
	int i;

	/* before a kernel is built for many minutes */
	if (!in_path(VM_QEMU))
		return fail(VM_QEMU " is not there: apt-get install qemu-system-x86");
	snprintf(files.dir, sizeof(files.dir), "%.1000s/smartssd-vm-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(files.dir)) {
		files.dir[0] = 0;
		return fail("cannot make a folder in %s: %s", tmp ? tmp : "/tmp", strerror(errno));
	}
	snprintf(files.run, sizeof(files.run), "%s/run", files.dir);
	snprintf(files.klog, sizeof(files.klog), "%s/klog", files.dir);
	snprintf(files.initrd, sizeof(files.initrd), "%s/initrd", files.dir);
	if (mkdir(files.run, 0700) || !getcwd(files.share, sizeof(files.share)))
		return fail("%s: %s", files.run, strerror(errno));
	if (find_kernel(opt))
		return -1;
	if (opt->module && strcmp(opt->module, "none") && !realpath(opt->module, files.module))
		return fail("%s: %s", opt->module, strerror(errno));
	if (make_initrd())
		return -1;
	for (i = opt->drive ? 1 : 0; i < opt->cards && opt->topology != VM_ALONE; i++)
		if (make_image(opt, i))
			return -1;
	if (opt->virtio_disk) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/virtio.img", files.dir);
		if (write_file(path, "", 0) || truncate(path, 64 << 20))
			return -1;
	}
	return write_spec(opt, isatty(0) && isatty(1));
}

static int copy_log(const char *to)
{
	char *argv[] = { "cp", files.klog, (char *)to, NULL };

	return run_and_wait(argv);
}

static int number(const char *name, const char *text, int lo, int hi, int *out)
{
	char *end;
	long v = strtol(text, &end, 0);

	if (!*text || *end || v < lo || v > hi)
		return fail("--%s %s: a number from %d to %d", name, text, lo, hi);
	*out = v;
	return 0;
}

static int parse_options(int argc, char **argv, struct vm_options *opt)
{
	static const struct option longs[] = {
		{ "cards", 1, NULL, 'c' },    { "fs", 1, NULL, 'f' },	    { "drive", 1, NULL, 'd' },	  { "ssd", 1, NULL, 's' },
		{ "ddr", 1, NULL, 'D' },      { "lba", 1, NULL, 'b' },	    { "topology", 1, NULL, 't' }, { "virtio-disk", 0, NULL, 'v' },
		{ "kernel", 1, NULL, 'k' },   { "module", 1, NULL, 'm' },   { "params", 1, NULL, 'p' },	  { "memory", 1, NULL, 'M' },
		{ "append", 1, NULL, 'a' },   { "fault", 1, NULL, 'F' },    { "strict", 0, NULL, 'S' },	  { "log", 1, NULL, 'l' },
		{ "trace", 1, NULL, 'T' },    { "timeout", 1, NULL, 'w' },  { "accel", 1, NULL, 'A' },	  { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, bad = 0;

	optind = 0; /* a fresh scan: the verb table may have used getopt */
	while (!bad && (c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		switch (c) {
		case 'c': bad = number("cards", optarg, 0, VM_MAX_CARDS, &opt->cards); break;
		case 's': bad = number("ssd", optarg, 8, 1 << 20, &opt->ssd_mb); break;
		case 'D': bad = number("ddr", optarg, 64, 16384, &opt->ddr_mb); break;
		case 'b': bad = number("lba", optarg, 512, 4096, &opt->lba); break;
		case 'M': bad = number("memory", optarg, 256, 1 << 16, &opt->memory_mb); break;
		case 'w': bad = number("timeout", optarg, 1, 1 << 20, &opt->timeout_s); break;
		case 'f': opt->fs = optarg; break;
		case 'd': opt->drive = optarg; break;
		case 'v': opt->virtio_disk = true; break;
		case 'k': opt->kernel = optarg; break;
		case 'm': opt->module = optarg; break;
		case 'p': opt->params = optarg; break;
		case 'a': opt->append = optarg; break;
		case 'F': opt->fault = optarg; break;
		case 'S': opt->strict = true; break;
		case 'l': opt->log = optarg; break;
		case 'T': opt->trace = optarg; break;
		case 'A': opt->accel = optarg; break;
		case 't':
			if (!strcmp(optarg, "switch"))
				opt->topology = VM_SWITCH;
			else if (!strcmp(optarg, "split"))
				opt->topology = VM_SPLIT;
			else if (!strcmp(optarg, "alone"))
				opt->topology = VM_ALONE;
			else
				bad = fail("--topology %s: switch, split or alone", optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			fputs(usage, stderr);
			return -1;
		}
	}
	if (!bad && (opt->ddr_mb & (opt->ddr_mb - 1)))
		bad = fail("--ddr %d: a power of two", opt->ddr_mb);
	if (!bad && opt->lba != 512 && opt->lba != 4096)
		bad = fail("--lba %d: 512 or 4096", opt->lba);
	if (!bad && opt->fs && strcmp(opt->fs, "ext4") && strcmp(opt->fs, "xfs"))
		bad = fail("--fs %s: ext4 or xfs", opt->fs);
	if (!bad && strcmp(opt->accel, "tcg") && strcmp(opt->accel, "kvm"))
		bad = fail("--accel %s: tcg or kvm", opt->accel);
	opt->argv = optind < argc ? argv + optind : NULL;
	return bad;
}

int cmd_vm(int argc, char **argv)
{
	const char *accel = getenv("SMARTSSD_VM_ACCEL");
	struct vm_options opt = { .cards = 1, .ssd_mb = 512, .ddr_mb = 256, .lba = 512, .memory_mb = 2048, .accel = accel ? accel : "tcg" };
	struct sigaction sa = { .sa_handler = on_signal };
	int code;

	code = parse_options(argc, argv, &opt);
	if (code)
		return code > 0 ? 0 : 2;
	deadline = opt.timeout_s ? seconds_now() + opt.timeout_s : 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	code = prepare(&opt) ? stopped(&opt) ?: 125 : stopped(&opt) ?: boot(&opt);
	if (opt.strict && vm_scan_log(files.klog)) {
		fail("the guest's kernel log is not clean (program's exit status was %d)", code);
		code = 70;
	}
	if (opt.log && files.klog[0])
		copy_log(opt.log);
	clean_up();
	return code;
}
