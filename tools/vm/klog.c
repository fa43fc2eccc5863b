// SPDX-License-Identifier: BSD-2-Clause
/* What must not stand in the kernel log of a sound run. */
#include <stdio.h>
#include <string.h>
#include "vm.h"

static const char *const bad[] = {
	"BUG:", "BUG ", "KASAN", "UBSAN", "WARNING:", "kmemleak: unreferenced", "kmemleak:   ", "unreferenced object",
	"possible circular locking", "possible recursive locking", "inconsistent lock state", "suspicious RCU usage",
	"possible irq lock inversion", "held lock freed", "lock held when returning to user space", "bad unlock balance",
	"DMA-API:", "Oops", "general protection fault", "Kernel panic", "hung_task", "blocked for more than",
	"soft lockup", "rcu_sched self-detected", "rcu_preempt self-detected", "sleeping function called",
	"refcount_t:", "ODEBUG:", "list_add corruption", "list_del corruption", "scheduling while atomic",
	"Call Trace:", "usercopy:", "page allocation failure", "smartssd-init: BUG",
};

/* Lines that contain one of the above and are harmless. */
static const char *const fine[] = {
	"DMA-API: preallocated", "DMA-API: debugging enabled", "FAULT_INJECTION", "kmemleak: Kernel memory leak detector",
	"kmemleak: Automatic memory scanning",
};

/* Injected failures print a stack of their own ("FAULT_INJECTION: forcing a failure"): its lines are expected. */
int vm_scan_log(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096];
	int found = 0, injected = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		bool ugly = false;
		size_t i;

		if (strstr(line, "FAULT_INJECTION: forcing a failure"))
			injected = 40;
		else if (injected)
			injected--;
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			ugly |= strstr(line, bad[i]) != NULL;
		for (i = 0; ugly && i < sizeof(fine) / sizeof(fine[0]); i++)
			ugly = !strstr(line, fine[i]);
		if (ugly && injected && strstr(line, "Call Trace:"))
			ugly = false;
		if (!ugly)
			continue;
		if (found++ < 40)
			fprintf(stderr, "smartssd vm: guest kernel: %s", line);
	}
	fclose(f);
	return found;
}
