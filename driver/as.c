// SPDX-License-Identifier: GPL-2.0-only
/*
 * On whose behalf a worker does I/O. To a file and to security modules a worker is the kernel
 * itself: it may use what is reserved for root, and its writes leave set-user-ID bits alone. So for
 * the time of a READ or WRITE it takes over what the submitter may do, and, as drivers/block/loop.c
 * does, the control groups that memory and block I/O are charged to.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "drv.h"

#ifdef CONFIG_BLK_CGROUP
static struct cgroup_subsys_state *blkcg_get(void)
{
	return task_get_css(current, io_cgrp_id);
}

static void blkcg_put(struct cgroup_subsys_state *blkcg)
{
	css_put(blkcg);
}
#else
static struct cgroup_subsys_state *blkcg_get(void)
{
	return NULL;
}

static void blkcg_put(struct cgroup_subsys_state *blkcg)
{
}
#endif

void smartssd_as_get(struct smartssd_as *as)
{
	as->cred = get_current_cred();
	as->blkcg = blkcg_get();
	as->memcg = get_mem_cgroup_from_mm(current->mm);
}

void smartssd_as_put(struct smartssd_as *as)
{
	if (!as->cred)
		return;
	mem_cgroup_put(as->memcg);
	if (as->blkcg)
		blkcg_put(as->blkcg);
	put_cred(as->cred);
	memset(as, 0, sizeof(*as));
}

void smartssd_as_begin(const struct smartssd_as *as, struct smartssd_as_saved *saved)
{
	saved->cred = override_creds(as->cred);
	saved->memcg = set_active_memcg(as->memcg);
	if (as->blkcg)
		kthread_associate_blkcg(as->blkcg);
}

void smartssd_as_end(const struct smartssd_as_saved *saved)
{
	kthread_associate_blkcg(NULL);
	set_active_memcg(saved->memcg);
	revert_creds(saved->cred);
}
