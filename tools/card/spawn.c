// SPDX-License-Identifier: BSD-2-Clause
/*
 * Making a worker process, from inside somebody else's program (the embedded card lives in a library). So:
 *  - it is followed by pidfd: no pid can be mistaken for another, and no child of the host program is waited for;
 *  - how the host program handles SIGCHLD is its own business: also one that ignores it, or reaps whatever dies, works;
 *  - the process is made as posix_spawn makes one (memory shared until exec), however big the host program is;
 *  - of the descriptors only the listed ones survive.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "internal.h"

extern char **environ;

#define STACK_BYTES (256u << 10)

struct child {
	const struct spawn *s;
	char **argv;
	int error; /* shared with the parent until exec */
};

/* Shares the parent's memory: nothing here may allocate, lock or return. */
__attribute__((no_sanitize("address", "undefined"))) static int child_main(void *arg)
{
	struct child *c = arg;
	int fd[CU_FD_END - CU_FD_DDR] = { c->s->ddr_fd, c->s->common_fd, c->s->slot_fd, c->s->bits_fd, c->s->notify_fd };
	int i, null;

	/* Away from the targets first: a source may stand where another one goes. */
	for (i = 0; i < CU_FD_END - CU_FD_DDR; i++) {
		fd[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, CU_FD_END);
		if (fd[i] < 0)
			goto out;
	}
	for (i = 0; i < CU_FD_END - CU_FD_DDR; i++)
		if (dup2(fd[i], CU_FD_DDR + i) < 0)
			goto out;
	/* What a kernel prints must not end up in the host program's output. */
	null = open("/dev/null", O_RDWR);
	if (null >= 0)
		dup2(null, 0);
	if (fcntl(2, F_GETFD) < 0 && null >= 0)
		dup2(null, 2);
	dup2(2, 1);
	if (syscall(SYS_close_range, CU_FD_END, ~0u, 0))
		goto out;
	setpgid(0, 0); /* Ctrl-C is for the host program; a worker that died of it would look like a crash */
	execve(c->s->path, c->argv, environ);
out:
	c->error = errno;
	_exit(127);
}

int spawn_worker(const struct spawn *s, pid_t *pid, int *pidfd)
{
	char bytes[24], offset[24], parent[16];
	char *argv[] = { CARD_WORKER, (char *)s->kernel, offset, bytes, parent, NULL };
	struct child c = { .s = s, .argv = argv };
	sigset_t all, old;
	u8 *stack;
	int ret = 0;

	snprintf(offset, sizeof(offset), "%llu", (unsigned long long)s->ddr_offset);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)s->ddr_bytes);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	/* A signal handler of the host program must not run in the child, on memory that both share. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	*pid = clone(child_main, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PIDFD, &c, pidfd, NULL, NULL);
	if (*pid < 0)
		ret = -errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	munmap(stack, STACK_BYTES);
	if (!ret && c.error) {
		spawn_reap(*pidfd);
		close(*pidfd);
		ret = -c.error;
	}
	return ret;
}

u32 spawn_reap(int pidfd)
{
	siginfo_t si = { 0 };

	while (waitid(P_PIDFD, pidfd, &si, WEXITED | __WALL) < 0)
		if (errno != EINTR)
			return CARD_REAPED;
	return si.si_status & 0xff;
}
