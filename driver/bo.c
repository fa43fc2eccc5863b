// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects: card memory that belongs to an open file.
 *
 * Three backings (enum smartssd_backing). With PAGES each page has a count of its own: one for the
 * BO, one for each PTE and each I/O that another driver does to it; p2pdma takes a page back at its
 * last put. With the other two the memory goes back as a whole with the BO, and mappings are PFNs.
 * In all three a BO is kept by handles, VMAs, exports and tasks.
 */
#include <linux/io.h>
#include <linux/memremap.h>
#include <linux/moduleparam.h>
#include <linux/pci-p2pdma.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "shell.h"

#define ZERO_CHUNK SZ_1M

static bool peer = true;
module_param(peer, bool, 0444);
MODULE_PARM_DESC(peer,
		 "register card memory for peer DMA (default yes); without it all data is bounced");

#define to_buf(r) container_of(r, struct smartssd_buf, ref)

#ifdef CONFIG_PCI_P2PDMA
static bool memory_setup_peer(struct smartssd_dev *sd)
{
	struct pci_dev *pdev = sd->pdev;
	u64 align = memremap_compat_align();
	u64 bytes = round_down(sd->aperture_bytes, align);
	int ret;

	if (!IS_ALIGNED(sd->aperture_phys, align) || !bytes)
		return false;
	ret = pci_p2pdma_add_resource(pdev, sd->shell->aperture_bar, bytes,
				      sd->shell->aperture_offset);
	if (ret) {
		dev_warn(&pdev->dev, "cannot register card memory for peer DMA: %d\n", ret);
		return false;
	}
	sd->aperture_bytes = bytes;
	sd->backing = SMARTSSD_USER_PAGES ? SMARTSSD_BACKING_PAGES : SMARTSSD_BACKING_POOL;
	return true;
}
#else
static bool memory_setup_peer(struct smartssd_dev *sd)
{
	return false;
}
#endif

int smartssd_memory_setup(struct smartssd_dev *sd)
{
	struct pci_dev *pdev = sd->pdev;
	int bar = sd->shell->aperture_bar;
	int ret;

	sd->aperture_phys = pci_resource_start(pdev, bar) + sd->shell->aperture_offset;
	sd->aperture_bus = pci_bus_address(pdev, bar) + sd->shell->aperture_offset;
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		sd->peer_reason = SMARTSSD_PEER_NO_KERNEL;
	else if (!peer)
		sd->peer_reason = SMARTSSD_PEER_OFF;
	else if (!memory_setup_peer(sd))
		sd->peer_reason = SMARTSSD_PEER_NO_PROVIDER;
	if (sd->backing != SMARTSSD_BACKING_IO)
		return 0;
	sd->aperture_io = ioremap_wc(sd->aperture_phys, sd->aperture_bytes);
	if (!sd->aperture_io)
		return -ENOMEM;
	ret = smartssd_ddr_create(sd->aperture_bytes, PAGE_SIZE, &sd->ddr);
	if (ret)
		iounmap(sd->aperture_io);
	return ret;
}

void smartssd_memory_cleanup(struct smartssd_dev *sd)
{
	if (sd->backing != SMARTSSD_BACKING_IO)
		return;
	mutex_lock(&sd->buf_lock);
	smartssd_ddr_destroy(sd->ddr);
	sd->ddr = NULL;
	mutex_unlock(&sd->buf_lock);
	iounmap(sd->aperture_io);
}

#if SMARTSSD_USER_PAGES
/*
 * The one place that knows p2pdma's counting. pci_alloc_p2pmem() takes one reference to the page
 * map, page_free() drops one per page: n - 1 are missing. Pages come with a count of 1. Freed by
 * put_page() each, never by pci_free_p2pmem().
 */
static void buf_adopt_pages(struct smartssd_buf *buf)
{
	u64 n = buf->bytes >> PAGE_SHIFT, i;

	percpu_ref_get_many(&smartssd_pgmap(buf->page)->ref, n - 1);
	/*
	 * free_zone_device_page() returns a page to the pool a moment before it sets the count to 1
	 * again.
	 */
	for (i = 0; i < n; i++)
		while (!page_ref_count(buf->page + i))
			cond_resched();
}
#else
static void buf_adopt_pages(struct smartssd_buf *buf)
{
}
#endif

static int buf_alloc_memory(struct smartssd_buf *buf)
{
	struct smartssd_dev *sd = buf->sd;
	void *kaddr;
	int ret;

	if (buf->bytes > sd->aperture_bytes)
		return -ENOMEM;
	if (sd->backing == SMARTSSD_BACKING_IO) {
		mutex_lock(&sd->buf_lock);
		ret = smartssd_ddr_alloc(sd->ddr, buf->bytes, &buf->address);
		mutex_unlock(&sd->buf_lock);
		if (ret)
			return ret;
		buf->io = sd->aperture_io + buf->address;
	} else {
		kaddr = pci_alloc_p2pmem(sd->pdev, buf->bytes);
		if (!kaddr)
			return -ENOMEM;
		buf->address = pci_p2pmem_virt_to_bus(sd->pdev, kaddr) - sd->aperture_bus;
		buf->page = virt_to_page(kaddr);
		buf->io = (void __force __iomem *)kaddr;
		if (sd->backing == SMARTSSD_BACKING_PAGES)
			buf_adopt_pages(buf);
	}
	atomic64_add(buf->bytes, &sd->ddr_used);
	return 0;
}

static void buf_free_memory(struct smartssd_buf *buf)
{
	struct smartssd_dev *sd = buf->sd;
	u64 n = buf->bytes >> PAGE_SHIFT, i;

	lockdep_assert_held(&sd->buf_lock);
	if (buf->revoked)
		return;
	buf->revoked = true;
	atomic64_sub(buf->bytes, &sd->ddr_used);
	switch (sd->backing) {
	case SMARTSSD_BACKING_IO:
		smartssd_ddr_free(sd->ddr, buf->address);
		break;
	case SMARTSSD_BACKING_POOL:
		pci_free_p2pmem(sd->pdev, (void __force *)buf->io, buf->bytes);
		break;
	case SMARTSSD_BACKING_PAGES:
		for (i = 0; i < n; i++) {
			put_page(buf->page + i);
			if (!(i & 1023))
				cond_resched();
		}
		break;
	}
}

void smartssd_buf_zero(struct smartssd_buf *buf, u64 offset, u64 bytes)
{
	u64 n;

	for (; bytes; offset += n, bytes -= n) {
		n = min_t(u64, bytes, ZERO_CHUNK);
		memset_io(buf->io + offset, 0, n);
		cond_resched();
	}
}

int smartssd_buf_create(struct smartssd_dev *sd, u64 bytes, struct smartssd_buf **out)
{
	struct smartssd_buf *buf;
	u64 rounded, at;
	int ret;

	if (!bytes)
		return -EINVAL;
	if (check_add_overflow(bytes, (u64)PAGE_SIZE - 1, &rounded))
		return -EOVERFLOW;
	buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	kref_init(&buf->ref);
	INIT_LIST_HEAD(&buf->exports);
	buf->sd = sd;
	buf->bytes = round_down(rounded, PAGE_SIZE);
	ret = buf_alloc_memory(buf);
	if (ret) {
		kfree(buf);
		return ret;
	}
	get_device(&sd->dev);
	mutex_lock(&sd->buf_lock);
	list_add(&buf->link, &sd->bufs);
	mutex_unlock(&sd->buf_lock);
	/*
	 * Write only: reading card memory that was never written is an ECC fault on the hardware.
	 * And what another process left there is none of the caller's business.
	 */
	for (at = 0; at < buf->bytes; at += ZERO_CHUNK) {
		ret = fatal_signal_pending(current) ? -EINTR : smartssd_lost(sd) ? -ENODEV : 0;
		if (ret) {
			smartssd_buf_put(buf);
			return ret;
		}
		smartssd_buf_zero(buf, at, min_t(u64, ZERO_CHUNK, buf->bytes - at));
	}
	*out = buf;
	return 0;
}

void smartssd_buf_get(struct smartssd_buf *buf)
{
	kref_get(&buf->ref);
}

static void buf_release(struct kref *ref)
{
	struct smartssd_buf *buf = to_buf(ref);
	struct smartssd_dev *sd = buf->sd;

	mutex_lock(&sd->buf_lock);
	list_del(&buf->link);
	buf_free_memory(buf);
	mutex_unlock(&sd->buf_lock);
	kfree(buf);
	put_device(&sd->dev);
}

void smartssd_buf_put(struct smartssd_buf *buf)
{
	if (buf)
		kref_put(&buf->ref, buf_release);
}

void smartssd_bufs_revoke(struct smartssd_dev *sd)
{
	struct smartssd_buf *buf;

	mutex_lock(&sd->buf_lock);
	list_for_each_entry(buf, &sd->bufs, link) {
		smartssd_exports_revoke(buf);
		buf_free_memory(buf);
	}
	mutex_unlock(&sd->buf_lock);
}

struct smartssd_buf *smartssd_buf_find(struct smartssd_client *client, u32 id)
{
	struct smartssd_buf *buf;

	xa_lock(&client->bufs);
	buf = xa_load(&client->bufs, id);
	if (buf)
		kref_get(&buf->ref);
	xa_unlock(&client->bufs);
	return buf;
}

int smartssd_ioctl_bo_create(struct smartssd_call *call)
{
	struct smartssd_bo *arg = call->arg;
	struct smartssd_client *client = call->client;
	struct smartssd_buf *buf;
	int ret;

	if (arg->flags || arg->pad)
		return -EINVAL;
	ret = smartssd_buf_create(client->sd, arg->bytes, &buf);
	if (ret)
		return ret;
	arg->bytes = buf->bytes;
	arg->address = buf->address;
	arg->mmap_offset = buf->address;
	ret = smartssd_id_give(call, &client->bufs, SMARTSSD_MAX_BOS, &arg->bo, buf);
	if (ret)
		smartssd_buf_put(buf);
	return ret;
}

int smartssd_ioctl_bo_destroy(struct smartssd_call *call)
{
	struct smartssd_id *arg = call->arg;
	struct smartssd_buf *buf = smartssd_id_take(&call->client->bufs, arg->id);

	if (!buf)
		return -ENOENT;
	smartssd_buf_put(buf);
	return 0;
}

/* ---- mmap ---- */

static void vma_open(struct vm_area_struct *vma)
{
	smartssd_buf_get(vma->vm_private_data);
}

static void vma_close(struct vm_area_struct *vma)
{
	smartssd_buf_put(vma->vm_private_data);
}

/*
 * Pages are put in by the fault handler and not by mmap(): only what a fault, under srcu, has put
 * into a VMA that the kernel can already find is sure to be found by the unmap_mapping_range() of
 * remove.
 */
static vm_fault_t vma_insert(struct vm_area_struct *vma, struct smartssd_buf *buf,
			     unsigned long addr)
{
	u64 offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start) - buf->address;
	int ret;

	if (buf->sd->backing != SMARTSSD_BACKING_PAGES)
		return vmf_insert_pfn(vma, addr,
				      PHYS_PFN(buf->sd->aperture_phys + buf->address + offset));
	ret = vm_insert_page(vma, addr, buf->page + (offset >> PAGE_SHIFT));
	switch (ret) {
	case 0:
	case -EBUSY: /* another thread was faster */
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

static vm_fault_t vma_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct smartssd_buf *buf = vma->vm_private_data;
	unsigned long addr = vmf->address & PAGE_MASK;
	/* The page asked for, and what follows it up to the end of its page table. */
	unsigned long end = min(vma->vm_end, (addr & PMD_MASK) + PMD_SIZE);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	int idx = srcu_read_lock(&buf->sd->srcu);

	if (READ_ONCE(buf->sd->dead))
		goto out;
	ret = vma_insert(vma, buf, addr);
	if (ret != VM_FAULT_NOPAGE)
		goto out;
	for (addr += PAGE_SIZE; addr < end; addr += PAGE_SIZE)
		if (vma_insert(vma, buf, addr) != VM_FAULT_NOPAGE)
			break;
out:
	srcu_read_unlock(&buf->sd->srcu, idx);
	return ret;
}

static const struct vm_operations_struct vma_ops = {
	.open = vma_open,
	.close = vma_close,
	.fault = vma_fault,
};

static struct smartssd_buf *buf_find_range(struct smartssd_client *client, u64 offset, u64 bytes)
{
	struct smartssd_buf *buf, *found = NULL;
	unsigned long id;

	xa_lock(&client->bufs);
	xa_for_each(&client->bufs, id, buf) {
		if (buf->sd == client->sd && offset >= buf->address &&
		    offset - buf->address < buf->bytes &&
		    bytes <= buf->bytes - (offset - buf->address)) {
			kref_get(&buf->ref);
			found = buf;
			break;
		}
	}
	xa_unlock(&client->bufs);
	return found;
}

int smartssd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct smartssd_client *client = file->private_data;
	struct smartssd_buf *buf;

	if (smartssd_lost(client->sd))
		return -ENODEV;
	/* A private mapping would be a copy in host memory that nobody asked for. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	buf = buf_find_range(client, (u64)vma->vm_pgoff << PAGE_SHIFT, vma->vm_end - vma->vm_start);
	if (!buf)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->sd->backing == SMARTSSD_BACKING_PAGES)
		vm_flags_set(vma, VM_MIXEDMAP);
	else
		vm_flags_set(vma, VM_PFNMAP | VM_IO);
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vma->vm_private_data = buf;
	vma->vm_ops = &vma_ops;
	return 0;
}
