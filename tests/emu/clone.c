// SPDX-License-Identifier: BSD-2-Clause
/* For programs with ThreadSanitizer that open embedded cards. */
#include <dlfcn.h>

/*
 * Worker processes are cloned with our memory until they exec. ThreadSanitizer's own clone() takes that child for a fork and
 * lets it scribble in the parent's state; so the card gets the C library's (the linker's --wrap).
 */
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, int *pidfd, void *tls, void *ctid);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, int *pidfd, void *tls, void *ctid)
{
	int (*real)(int (*)(void *), void *, int, void *, ...);

	*(void **)&real = dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "clone");
	return real(fn, stack, flags, arg, pidfd, tls, ctid);
}
