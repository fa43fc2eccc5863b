// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guest's first process: makes the host's files visible (read only; the working folder read-write), loads the driver, runs one
 * program, reports its exit status and switches the machine off. A static binary and the only file of the initramfs.
 *
 * Everything it is to do stands in the 9p share "run", written by vm.c: spec (lines KEY=VALUE), argv and env (NUL-separated).
 * What it leaves there: status (the program's exit code).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ROOT "/root"
#define RUN  "/smartssd-run"

static void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int fd, n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fd = open("/dev/kmsg", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, line, n) < 0)
			errno = 0;
		close(fd);
	}
}

static void power_off(void)
{
	sync();
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	for (;;)
		pause();
}

static void fail(const char *what)
{
	say("smartssd-init: %s: %s", what, strerror(errno));
	power_off();
}

static void mount_or_fail(const char *src, const char *dst, const char *type, unsigned long flags, const char *data)
{
	char what[256];

	if (!mount(src, dst, type, flags, data))
		return;
	snprintf(what, sizeof(what), "mount %s on %s", type, dst);
	fail(what);
}

/* mkdir -p; the last folder may exist */
static void make_path(const char *path)
{
	char p[4096];
	char *s;

	snprintf(p, sizeof(p), "%s", path);
	for (s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		mkdir(p, 0755);
		*s = '/';
	}
	mkdir(p, 0755);
}

static char *read_all(const char *path, size_t *bytes)
{
	char *p = malloc(1 << 20);
	ssize_t n = 0, got;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || !p)
		fail(path);
	while ((got = read(fd, p + n, (1 << 20) - 1 - n)) > 0)
		n += got;
	close(fd);
	p[n] = 0;
	*bytes = n;
	return p;
}

static const char *spec_value(char *spec, const char *key)
{
	static char value[16][4096];
	static int next;
	size_t len = strlen(key);
	char *out = value[next++ % 16];
	char *line = spec;

	while (line && *line) {
		char *end = strchr(line, '\n');

		if (!strncmp(line, key, len) && line[len] == '=') {
			size_t n = end ? (size_t)(end - line) - len - 1 : strlen(line) - len - 1;

			snprintf(out, 4096, "%.*s", (int)n, line + len + 1);
			return out;
		}
		line = end ? end + 1 : NULL;
	}
	return "";
}

static char **split_zeros(char *p, size_t bytes, int *count)
{
	char **v = calloc(bytes + 2, sizeof(*v));
	size_t i = 0;
	int n = 0;

	while (v && i < bytes) {
		v[n++] = p + i;
		i += strlen(p + i) + 1;
	}
	if (count)
		*count = n;
	return v;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		say("smartssd-init: %s: %s", path, strerror(errno));
	close(fd);
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s >= 0) {
		ioctl(s, SIOCSIFFLAGS, &ifr);
		close(s);
	}
}

static void load_module(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	if (syscall(SYS_finit_module, fd, params, 0))
		fail("loading the module");
	close(fd);
}

/* Wait for a device node: the NVMe driver probes in the background. */
static bool wait_for(const char *path)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (!access(path, F_OK))
			return true;
		usleep(10000);
	}
	say("smartssd-init: %s did not appear", path);
	return false;
}

/*
 * Drive @n's block device, by its serial number: the NVMe driver probes in parallel and numbers controllers as they answer.
 * /dev/ssdN is a link to it.
 */
static bool find_drive(int n, char *dev, size_t bytes, char *link, size_t link_bytes)
{
	char path[128], serial[64], want[32];
	int i, round;

	snprintf(want, sizeof(want), "SMARTSSD%04d", n);
	snprintf(link, link_bytes, "/dev/ssd%d", n);
	for (round = 0; round < 1000; round++) {
		for (i = 0; i < 16; i++) {
			ssize_t got;
			int fd;

			snprintf(path, sizeof(path), "/sys/class/nvme/nvme%d/serial", i);
			snprintf(dev, bytes, "/dev/nvme%dn1", i);
			fd = open(path, O_RDONLY);
			if (fd < 0)
				continue;
			got = read(fd, serial, sizeof(serial) - 1);
			close(fd);
			serial[got > 0 ? got : 0] = 0;
			if (!strncmp(serial, want, strlen(want)) && !access(dev, F_OK))
				return !symlink(dev, link);
		}
		usleep(10000);
	}
	say("smartssd-init: drive %s did not appear", want);
	return false;
}

static void mount_drives(char *spec)
{
	const char *fs = spec_value(spec, "fs");
	int n = atoi(spec_value(spec, "drives"));
	int i;

	for (i = 0; i < n; i++) {
		char dev[64], link[32], dir[64];

		if (!find_drive(i, dev, sizeof(dev), link, sizeof(link)) || !*fs)
			continue;
		snprintf(dir, sizeof(dir), "/mnt/ssd%d", i);
		make_path(dir);
		if (mount(dev, dir, fs, 0, NULL))
			say("smartssd-init: mount %s on %s as %s: %s", dev, dir, fs, strerror(errno));
		else
			chmod(dir, 0777);
	}
}

/*
 * A leak found only after the driver is gone is still a leak: scan last. Two scans, as kmemleak wants objects to age. Without the page
 * cache and the names of files there is less to look at.
 */
static void scan_for_leaks(void)
{
	char buf[8192];
	ssize_t n;
	int i, fd;

	if (access("/sys/kernel/debug/kmemleak", F_OK))
		return;
	write_text("/proc/sys/vm/drop_caches", "3");
	for (i = 0; i < 2; i++) {
		write_text("/sys/kernel/debug/kmemleak", "scan");
		usleep(200000);
	}
	fd = open("/sys/kernel/debug/kmemleak", O_RDONLY);
	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		char *line, *save;

		buf[n] = 0;
		for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			say("kmemleak: %s", line);
	}
	close(fd);
}

static int run_program(char *spec, char **argv, char **env, bool tty)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		int fd;
		struct termios t;

		setsid();
		fd = open("/dev/hvc0", O_RDWR);
		if (fd < 0)
			_exit(126);
		ioctl(fd, TIOCSCTTY, 0);
		if (tty) {
			struct winsize ws = { .ws_row = atoi(spec_value(spec, "rows")), .ws_col = atoi(spec_value(spec, "cols")) };

			ioctl(fd, TIOCSWINSZ, &ws);
		} else if (!tcgetattr(fd, &t)) {
			/* bytes, not a terminal: what the program writes is what the host's pipe gets */
			cfmakeraw(&t);
			tcsetattr(fd, TCSANOW, &t);
		}
		if (!tty && atoi(spec_value(spec, "stdin")) == 0) {
			int null = open("/dev/null", O_RDONLY);

			dup2(null, 0);
		} else {
			dup2(fd, 0);
		}
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
		if (chdir(spec_value(spec, "cwd")))
			say("smartssd-init: cannot enter %s: %s", spec_value(spec, "cwd"), strerror(errno));
		environ = env;
		execvp(argv[0], argv);
		dprintf(2, "smartssd vm: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	for (;;) {
		pid_t done = wait(&status);

		if (done == pid)
			break;
		if (done < 0 && errno != EINTR)
			fail("wait");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	static const char *const nodev[][3] = {
		{ "proc", "/proc", "proc" },	      { "sysfs", "/sys", "sysfs" },
		{ "debugfs", "/sys/kernel/debug", "debugfs" }, { "tracefs", "/sys/kernel/tracing", "tracefs" },
		{ "configfs", "/sys/kernel/config", "configfs" }, { "tmpfs", "/tmp", "tmpfs" },
		{ "tmpfs", "/run", "tmpfs" },	      { "tmpfs", "/mnt", "tmpfs" },
		{ "devpts", "/dev/pts", "devpts" },   { "tmpfs", "/dev/shm", "tmpfs" },
	};
	const char *v9fs = "trans=virtio,version=9p2000.L,msize=524288,access=any";
	char data[256], text[32], *spec, *arg_text, *env_text, **argv, **env;
	size_t bytes, i;
	bool tty;
	int code;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mkdir(RUN, 0755);
	mkdir(ROOT, 0755);
	snprintf(data, sizeof(data), "%s,cache=none", v9fs);
	mount_or_fail("run", RUN, "9p", 0, data);
	spec = read_all(RUN "/spec", &bytes);
	arg_text = read_all(RUN "/argv", &bytes);
	argv = split_zeros(arg_text, bytes, NULL);
	env_text = read_all(RUN "/env", &bytes);
	env = split_zeros(env_text, bytes, NULL);
	tty = atoi(spec_value(spec, "tty"));

	snprintf(data, sizeof(data), "%s,cache=loose", v9fs);
	mount_or_fail("host", ROOT, "9p", MS_RDONLY, data);
	mount_or_fail("devtmpfs", ROOT "/dev", "devtmpfs", 0, NULL);
	mount_or_fail("tmpfs", ROOT "/run", "tmpfs", 0, NULL);
	mkdir(ROOT "/run/smartssd-vm", 0755);
	mount_or_fail(RUN, ROOT "/run/smartssd-vm", NULL, MS_MOVE, NULL);
	if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("switching to the host's root");
	for (i = 0; i < sizeof(nodev) / sizeof(nodev[0]); i++) {
		if (!strcmp(nodev[i][1], "/run"))
			continue;
		mkdir(nodev[i][1], 0755);
		/* not every kernel has every one of them */
		mount(nodev[i][0], nodev[i][1], nodev[i][2], 0, NULL);
	}
	chmod("/tmp", 01777);
	snprintf(data, sizeof(data), "%s,cache=mmap", v9fs);
	make_path(spec_value(spec, "share"));
	mount_or_fail("share", spec_value(spec, "share"), "9p", 0, data);
	sethostname("smartssd", 8);
	loopback_up();
	symlink("/proc/self/fd", "/dev/fd");
	mount_drives(spec);
	if (*spec_value(spec, "module")) {
		int cards = atoi(spec_value(spec, "cards"));

		load_module(spec_value(spec, "module"), spec_value(spec, "module_params"));
		for (code = 0; code < cards; code++) {
			snprintf(text, sizeof(text), "/dev/smartssd%d", code);
			if (wait_for(text))
				chmod(text, 0666);
		}
	}

	say("smartssd-init: ready");
	code = run_program(spec, argv, env, tty);
	say("smartssd-init: program ended with %d", code);
	sync();
	if (*spec_value(spec, "module") && atoi(spec_value(spec, "unload"))) {
		kill(-1, SIGKILL);
		for (i = 0; i < 200 && syscall(SYS_delete_module, "smartssd", O_NONBLOCK) && errno != ENOENT; i++)
			usleep(50000);
		if (i == 200)
			say("smartssd-init: BUG: the module cannot be unloaded: %s", strerror(errno));
		scan_for_leaks();
	}
	snprintf(text, sizeof(text), "%d\n", code);
	write_text("/run/smartssd-vm/status", text);
	power_off();
}
