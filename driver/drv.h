/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's one private header: its objects, who holds them, which lock protects what, and what
 * each file offers the others.
 *
 *   device   a card. Lives as long as its char device or an open file; its hardware only
 *            until remove
 *   client   an open file: BOs, files and jobs by id
 *   buf      a BO in card memory
 *   src      a registered file or namespace
 *   job      a submitted command list;  task: one of its commands
 *   cu       a compute unit of the loaded xclbin
 *
 * Locks, outermost first: device.xclbin_lock, device.cu_lock, ring lock or device.buf_lock, dma-buf
 * reservation (a BO's last reference may be dropped under cu_lock or xclbin_lock, and under a
 * process's mmap_lock); device.clients_lock, client.lock. job.lock is a leaf. Everything but
 * interrupt handlers and I/O completions runs in process context; only smartssd_io's own lock is
 * taken with interrupts off.
 *
 * Unplugging: what touches the hardware or card memory runs under device.srcu after seeing that the
 * device is not dead - calls, faults, a READ or WRITE as a whole, each step of a COPY - or under
 * cu_lock likewise. Nobody waits under srcu for a caller's memory, which may be a mapping whose
 * pages never come. Remove sets dead, waits for those, ends what CUs run, takes the mappings and
 * exports down and gives the card memory back; a job that a caller's memory still holds up ends
 * later, and finds only structs.
 */
#ifndef SMARTSSD_DRV_H
#define SMARTSSD_DRV_H

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "core/core.h"
#include "core/regs.h"

#define SMARTSSD_MAX_VECTORS 32
#define SMARTSSD_MEM_ALIGN 4 /* what NVMe's PRPs ask of a memory address */

struct cred;
struct cgroup_subsys_state;
struct dma_buf;
struct eventfd_ctx;
struct mem_cgroup;
struct smartssd_dev;
struct smartssd_ring;
struct smartssd_task;

/* Counters in the order of struct smartssd_counters. */
enum smartssd_stat {
	SMARTSSD_STAT_SSD_TO_CARD,
	SMARTSSD_STAT_CARD_TO_SSD,
	SMARTSSD_STAT_HOST_TO_CARD,
	SMARTSSD_STAT_CARD_TO_HOST,
	SMARTSSD_STAT_BOUNCE_READ,
	SMARTSSD_STAT_BOUNCE_WRITE,
	SMARTSSD_STAT_READS,
	SMARTSSD_STAT_WRITES,
	SMARTSSD_STAT_RUNS,
	SMARTSSD_STAT_JOBS,
	SMARTSSD_STAT_CU_FAULTS,
	SMARTSSD_STAT_NR
};

struct smartssd_stats {
	atomic64_t v[SMARTSSD_STAT_NR];
};

/* How the card memory is handed out and mapped; bo.c */
enum smartssd_backing {
	SMARTSSD_BACKING_IO, /* no peer DMA: I/O memory, our own allocator */
	SMARTSSD_BACKING_POOL, /* p2pdma pages that only the kernel may use */
	SMARTSSD_BACKING_PAGES, /* p2pdma pages that user mappings may hold */
};

/* One MSI-X vector. */
struct smartssd_vector {
	struct smartssd_dev *sd;
	u32 index;
	u64 cu_mask; /* CUs that use it; under device.cu_lock */
	char name[24];
};

/* A compute unit; all of it under device.cu_lock. */
struct smartssd_cu {
	const struct smartssd_cu_desc *desc;
	u32 index;
	u32 state; /* SMARTSSD_CU_* */
	bool polled;
	u64 runs;
	u64 deadline_ns;
	struct smartssd_task *running;
	/*
	 * What a hung CU may still write to: the BOs of its last run stay allocated until it ends
	 * after all or is reset, or another process would be handed memory that changes under it.
	 */
	struct smartssd_buf **held;
	u32 nr_held;
};

/*
 * struct smartssd_dev - a card
 * @dev: the char device; its count keeps this struct
 * @pdev: the PCI function; its driver data and BARs are ours until remove ends
 * @srcu: readers touch hardware or card memory
 * @dead: removed; never cleared
 * @gone: stopped answering; never cleared
 * @gone_work: ends what a card that is gone leaves behind
 * @health: looks whether an idle card is still there while a file is open
 * @bus: register access for driver/core; process context only
 * @window: mapped user window (hardware)
 * @ring: register ring (ivshmem)
 * @aperture_bytes: card memory that the host can address
 * @aperture_phys: its bus-independent address, for PFN mappings
 * @aperture_io: its mapping when @backing is IO
 * @peer_reason: why peer DMA is impossible for all files, or SMARTSSD_PEER_OK
 * @peer_off: switched off by the administrator
 * @ddr_used: bytes in BOs
 * @buf_lock: protects @bufs, @ddr and each buf's link and exports
 * @clients_lock: protects @clients
 * @xclbin_lock: write: another xclbin comes; read: @info, @cus and the bits behind them stay
 * @cu_lock: protects CUs, @run_queue, and serialises what the registers of one CU see
 * @run_queue: per kernel of the xclbin, the RUNs that wait for a CU, in order of arrival
 * @watch: looks at busy and hung CUs: deadlines, late ends, lost interrupts, CUs that must be
 *   polled
 * @nr_jobs: jobs in flight
 * @staging: an xclbin that the card was still reading when we gave it up
 */
struct smartssd_dev {
	struct device dev;
	struct cdev cdev;
	int id;
	struct pci_dev *pdev;
	const struct smartssd_shell *shell;

	struct srcu_struct srcu;
	bool dead;
	bool gone;
	struct work_struct gone_work;
	struct delayed_work health;

	struct smartssd_bus bus;
	void __iomem *window;
	struct smartssd_ring *ring;
	u32 nr_vectors;
	u32 ring_vectors;
	struct smartssd_vector vectors[SMARTSSD_MAX_VECTORS];
	u32 dna[3];

	enum smartssd_backing backing;
	u64 aperture_bytes;
	phys_addr_t aperture_phys;
	u64 aperture_bus;
	void __iomem *aperture_io;
	u32 peer_reason;
	bool peer_off;
	atomic64_t ddr_used;
	struct mutex buf_lock;
	struct list_head bufs;
	struct smartssd_ddr *ddr;

	struct mutex clients_lock;
	struct list_head clients;

	struct rw_semaphore xclbin_lock;
	struct smartssd_xclbin_info *info;
	struct mutex cu_lock;
	struct smartssd_cu *cus;
	u32 nr_cus;
	struct list_head *run_queue;
	struct delayed_work watch;

	atomic_t nr_jobs;
	struct smartssd_buf *staging;
	struct smartssd_stats stats;
	struct dentry *debugfs;
};

/*
 * struct smartssd_buf - a BO
 * @ref: held by handles, mappings (VMAs), exports, tasks, and CUs that hang on it
 * @sd: the card it lies on, with a reference
 * @link: in sd->bufs
 * @page: first of its pages, or NULL when it has none (backing IO)
 * @io: kernel address
 * @revoked: the memory is given back, only the struct is left; under sd->buf_lock, read under
 *   sd->srcu
 * @exports: dma-bufs of it, under sd->buf_lock
 */
struct smartssd_buf {
	struct kref ref;
	struct smartssd_dev *sd;
	struct list_head link;
	u64 address;
	u64 bytes;
	struct page *page;
	void __iomem *io;
	bool revoked;
	struct list_head exports;
};

/*
 * struct smartssd_src - a registered file
 * @ref: held by the id and by tasks
 * @bdev: for a block device; belongs to @file
 * @direct: the file takes direct I/O of multiples of @io_align
 * @reason: why its data cannot go peer to peer, or SMARTSSD_PEER_OK
 * @mixed: WRITEs that go around the page cache hold it shared, those that go through it
 *   exclusively: both at once in one page lose data
 */
struct smartssd_src {
	struct kref ref;
	struct file *file;
	struct block_device *bdev;
	u32 kind;
	u32 io_align;
	u32 mem_align;
	u32 reason;
	bool direct;
	struct rw_semaphore mixed;
};

/*
 * struct smartssd_client - an open file
 * @ref: held by the open file and by jobs in flight
 * @file: not counted: the client is closed before it goes
 * @lock: protects @jobs, @done, @nr_jobs, @next_job, @event, @closed
 * @wq: runs its READs, WRITEs and COPYs; of its own, so that one that blocks holds up nobody else
 * @reap: frees it, which its own worker cannot
 * @jobs: not yet waited for (job.link)
 * @done: of these, the ones that ended and nobody is just taking, in that order (job.done_link)
 */
struct smartssd_client {
	struct kref ref;
	struct smartssd_dev *sd;
	struct file *file;
	struct list_head link;
	struct xarray bufs;
	struct xarray srcs;
	struct workqueue_struct *wq;
	struct work_struct reap;

	spinlock_t lock;
	struct list_head jobs;
	struct list_head done;
	u32 nr_jobs;
	u64 next_job;
	bool closed;
	struct eventfd_ctx *event;
	wait_queue_head_t wait;
	struct smartssd_stats stats;
};

/*
 * One command. Belongs to its job; who works on it (a worker, a CU's queue, a CU) owns it until
 * smartssd_task_done().
 */
struct smartssd_task {
	struct smartssd_job *job;
	struct list_head link;
	struct work_struct work;
	u32 index;
	u32 op;
	u32 flags;
	bool skip; /* a command it depends on failed */
	union {
		struct {
			struct smartssd_src *src;
			struct smartssd_buf *buf;
			struct smartssd_extent *ext;
			u32 nr;
		} rw;
		struct {
			u64 host;
			struct smartssd_buf *src;
			struct smartssd_buf *dst;
			u64 src_offset;
			u64 dst_offset;
			u64 bytes;
		} copy;
		struct {
			u64 cu_mask;
			struct smartssd_arg *args; /* until resolved */
			struct smartssd_reg *regs;
			struct smartssd_buf **bufs;
			u32 nr_regs;
			u32 nr_bufs;
			u32 kernel;
			u32 timeout_ms;
		} run;
	};
	struct smartssd_result result;
};

/*
 * struct smartssd_as - on whose behalf a worker does I/O
 * @cred: what files and security modules see
 * @blkcg, @memcg: what is charged; NULL: nothing
 */
struct smartssd_as {
	const struct cred *cred;
	struct cgroup_subsys_state *blkcg;
	struct mem_cgroup *memcg;
};

/*
 * struct smartssd_job - a submitted list
 * @ref: one while @client lists it, one while it is in flight
 * @mm: the submitter's address space, by mmgrab; used when a COPY runs, if it still exists then
 * @as: whose files, whose memory, whose I/O: the submitter's
 * @lock: serialises @graph
 * @canceled: the file was closed: what has not started does not start
 * @done: all tasks ended; under client->lock
 * @taken: somebody is reporting its results; under client->lock
 */
struct smartssd_job {
	struct kref ref;
	struct smartssd_client *client;
	struct list_head link;
	struct list_head done_link;
	u64 id;
	u32 nr;
	bool canceled;
	bool done;
	bool taken;
	struct mm_struct *mm;
	struct smartssd_as as;
	spinlock_t lock;
	struct smartssd_graph graph;
	struct smartssd_task *tasks;
};

/*
 * A call on its way through chardev.c: the argument struct is in kernel memory, as large as this
 * driver knows it. @inside: under the device's srcu, @srcu is the index.
 */
struct smartssd_call {
	struct smartssd_client *client;
	void __user *user;
	u32 user_size;
	u32 size;
	void *arg;
	bool inside;
	int srcu;
};

/*
 * Take an object away from its id. An id that is only reserved (its maker is still telling the
 * caller) stays.
 */
static inline void *smartssd_id_take(struct xarray *ids, u32 id)
{
	void *object;

	xa_lock(ids);
	object = xa_load(ids, id);
	if (object)
		__xa_erase(ids, id);
	xa_unlock(ids);
	return object;
}

/* ---- main.c ---- */
extern struct class *smartssd_class;

/* The card stopped answering: all jobs end with ENODEV. Any process context. */
void smartssd_set_gone(struct smartssd_dev *sd);

static inline bool smartssd_lost(const struct smartssd_dev *sd)
{
	return READ_ONCE(sd->dead) || READ_ONCE(sd->gone);
}

static inline void smartssd_count(struct smartssd_client *client, enum smartssd_stat stat, u64 n)
{
	atomic64_add(n, &client->stats.v[stat]);
	atomic64_add(n, &client->sd->stats.v[stat]);
}

/* ---- chardev.c ---- */
extern const struct file_operations smartssd_fops;

/*
 * A handler is called inside, where the card stays. It must leave before it looks at other memory
 * of the caller, and may enter again: -ENODEV when the card left meanwhile.
 */
int smartssd_enter(struct smartssd_call *call);
void smartssd_leave(struct smartssd_call *call);
/*
 * Leave, and copy the argument struct back to the caller. Handlers call it before they publish what
 * they made.
 */
int smartssd_respond(struct smartssd_call *call);
/*
 * Respond, and make @object known by an id in @ids, which goes to *id in the argument struct; the
 * rest of that must be set. -EBUSY: @limit ids are in use. On error the object is still the
 * caller's.
 */
int smartssd_id_give(struct smartssd_call *call, struct xarray *ids, u32 limit, u32 *id,
		     void *object);
/* Any context that may sleep; the client itself is freed by a worker that is not its own. */
void smartssd_client_put(struct smartssd_client *client);
int smartssd_clients_init(void);
/* After the last file is closed: waits until all clients are freed. */
void smartssd_clients_exit(void);
/* Wake whoever polls or waits on the card's files. */
void smartssd_wake_clients(struct smartssd_dev *sd);
void smartssd_unmap_clients(struct smartssd_dev *sd);

/* ---- bo.c ---- */
int smartssd_memory_setup(struct smartssd_dev *sd);
void smartssd_memory_cleanup(struct smartssd_dev *sd);
/*
 * A BO of zeros, with one reference. -EINVAL, -ENOMEM, -EOVERFLOW, -EINTR when killed, -ENODEV when
 * the card goes meanwhile.
 */
int smartssd_buf_create(struct smartssd_dev *sd, u64 bytes, struct smartssd_buf **out);
void smartssd_buf_get(struct smartssd_buf *buf);
void smartssd_buf_put(struct smartssd_buf *buf);
/* By id, with a reference; NULL: no such id. */
struct smartssd_buf *smartssd_buf_find(struct smartssd_client *client, u32 id);
/* Give all card memory back; structs stay. Last part of remove. */
void smartssd_bufs_revoke(struct smartssd_dev *sd);
void smartssd_buf_zero(struct smartssd_buf *buf, u64 offset, u64 bytes);
int smartssd_ioctl_bo_create(struct smartssd_call *call);
int smartssd_ioctl_bo_destroy(struct smartssd_call *call);
int smartssd_mmap(struct file *file, struct vm_area_struct *vma);

/* ---- dmabuf.c ---- */
int smartssd_ioctl_bo_export(struct smartssd_call *call);
int smartssd_ioctl_bo_import(struct smartssd_call *call);
/* Take the memory away from importers; under sd->buf_lock. */
void smartssd_exports_revoke(struct smartssd_buf *buf);

/* ---- peer.c ---- */
/* The NVMe function behind the same switch, with a reference, or NULL. */
struct pci_dev *smartssd_sibling(struct smartssd_dev *sd);
/* Name of its controller ("nvme0"), "" when there is none. */
void smartssd_sibling_name(struct smartssd_dev *sd, char *name, size_t bytes);
u32 smartssd_peer_card(struct smartssd_dev *sd);
u32 smartssd_peer_file(struct smartssd_dev *sd, const struct smartssd_src *src);
/* Is what was found of the file's filesystem still so? */
bool smartssd_peer_still(const struct smartssd_src *src);
const char *smartssd_peer_name(u32 reason);
const char *smartssd_peer_text(u32 reason);

/* ---- file.c ---- */
struct smartssd_src *smartssd_src_find(struct smartssd_client *client, u32 id);
void smartssd_src_put(struct smartssd_src *src);
u64 smartssd_src_bytes(const struct smartssd_src *src);
/*
 * May it be written to now? Filesystems look for themselves; what a block device's own write()
 * looks for, and a bio does not, is looked for here. -EPERM, -ETXTBSY
 */
int smartssd_src_may_write(const struct smartssd_src *src);
int smartssd_ioctl_file_register(struct smartssd_call *call);
int smartssd_ioctl_file_unregister(struct smartssd_call *call);

/* ---- io.c, copy.c: work functions of tasks ---- */
void smartssd_io_work(struct work_struct *work);
void smartssd_copy_work(struct work_struct *work);

/* ---- cu.c ---- */
/*
 * @info becomes the loaded xclbin (NULL: none); under xclbin_lock for writing, no jobs in flight.
 * -ENOMEM leaves the old one.
 */
int smartssd_cus_replace(struct smartssd_dev *sd, struct smartssd_xclbin_info *info);
void smartssd_cus_queue(struct smartssd_task *task);
/*
 * Look after the CUs in @mask: ended, be it late? died (only when @status)? overdue? Then start
 * what waits.
 */
void smartssd_cus_service(struct smartssd_dev *sd, u64 mask, bool status);
/*
 * End what waits with @error, of one client, or of all when NULL. What runs is stopped for all;
 * that of one client, which is leaving, has at most the default time-out left.
 */
void smartssd_cus_abort(struct smartssd_dev *sd, struct smartssd_client *client, int error);
bool smartssd_cus_sound(struct smartssd_dev *sd);
void smartssd_cus_watch(struct work_struct *work);
int smartssd_irq_setup(struct smartssd_dev *sd);
void smartssd_irq_cleanup(struct smartssd_dev *sd);
int smartssd_ioctl_cu_info(struct smartssd_call *call);
int smartssd_ioctl_arg_info(struct smartssd_call *call);
int smartssd_ioctl_cu_reset(struct smartssd_call *call);

/* ---- load.c ---- */
int smartssd_ioctl_xclbin_load(struct smartssd_call *call);

/* ---- task.c: commands and what they refer to ---- */
/*
 * Turning @cmd into a task: first everything that the caller's memory says is copied, which may
 * take as long as the caller likes; then, with xclbin_lock held for reading, it is resolved.
 * @nr_extents counts the extents of the whole submit. On error what the task got so far is given
 * back by smartssd_task_release().
 */
int smartssd_task_copy_in(struct smartssd_task *task, const struct smartssd_cmd *cmd,
			  u32 *nr_extents);
int smartssd_task_resolve(struct smartssd_task *task, struct smartssd_client *client,
			  const struct smartssd_cmd *cmd);
void smartssd_task_release(struct smartssd_task *task);

/* ---- as.c: doing I/O on behalf of the submitter ---- */
struct smartssd_as_saved {
	const struct cred *cred;
	struct mem_cgroup *memcg;
};

void smartssd_as_get(struct smartssd_as *as);
void smartssd_as_put(struct smartssd_as *as);
/* Between the two the current worker is taken for the submitter. */
void smartssd_as_begin(const struct smartssd_as *as, struct smartssd_as_saved *saved);
void smartssd_as_end(const struct smartssd_as_saved *saved);

/* ---- job.c ---- */
/*
 * The task ended; its result's status, path, bytes and detail are set. Frees the task's references,
 * starts what depended on it.
 */
void smartssd_task_done(struct smartssd_task *task);
int smartssd_ioctl_submit(struct smartssd_call *call);
int smartssd_ioctl_wait(struct smartssd_call *call);
int smartssd_ioctl_eventfd(struct smartssd_call *call);
void smartssd_jobs_close(struct smartssd_client *client);

/* ---- sysfs.c, debugfs.c ---- */
extern const struct attribute_group *smartssd_groups[];
void smartssd_debugfs_init(void);
void smartssd_debugfs_exit(void);
void smartssd_debugfs_add(struct smartssd_dev *sd);
void smartssd_debugfs_remove(struct smartssd_dev *sd);

#endif
