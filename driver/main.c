// SPDX-License-Identifier: GPL-2.0-only
/* The module and the PCI driver: a card comes, a card goes, a card stops answering. */
#include <linux/idr.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/module.h>

#include "compat.h"
#include "shell.h"

#define SMARTSSD_MINORS 64
#define HEALTH_INTERVAL_MS 1000

struct class *smartssd_class;
static dev_t smartssd_devt;
static DEFINE_IDA(smartssd_ida);

static u32 dev_bus_read(void *ctx, u32 addr)
{
	struct smartssd_dev *sd = ctx;

	return sd->shell->read(sd, addr);
}

static void dev_bus_write(void *ctx, u32 addr, u32 value)
{
	struct smartssd_dev *sd = ctx;

	sd->shell->write(sd, addr, value);
}

void smartssd_set_gone(struct smartssd_dev *sd)
{
	if (xchg(&sd->gone, true))
		return;
	/* The caller may hold locks that ending the jobs needs. */
	queue_work(system_long_wq, &sd->gone_work);
}

static void smartssd_gone_work(struct work_struct *work)
{
	struct smartssd_dev *sd = container_of(work, struct smartssd_dev, gone_work);

	dev_err(&sd->pdev->dev, "the card is gone: all its jobs end with ENODEV\n");
	smartssd_cus_abort(sd, NULL, -ENODEV);
	smartssd_wake_clients(sd);
}

/* A card that leaves while idle is noticed, too: poll() reports it. */
static void smartssd_health_work(struct work_struct *work)
{
	struct smartssd_dev *sd = container_of(work, struct smartssd_dev, health.work);
	bool open;

	if (smartssd_lost(sd))
		return;
	if (!sd->shell->alive(sd)) {
		smartssd_set_gone(sd);
		return;
	}
	mutex_lock(&sd->clients_lock);
	open = !list_empty(&sd->clients);
	mutex_unlock(&sd->clients_lock);
	if (open)
		queue_delayed_work(system_long_wq, &sd->health,
				   msecs_to_jiffies(HEALTH_INTERVAL_MS));
}

static void smartssd_dev_release(struct device *dev)
{
	struct smartssd_dev *sd = container_of(dev, struct smartssd_dev, dev);

	cleanup_srcu_struct(&sd->srcu);
	if (!sd->dead)
		ida_free(&smartssd_ida, sd->id);
	pci_dev_put(sd->pdev);
	kfree(sd);
}

static struct smartssd_dev *smartssd_dev_alloc(struct pci_dev *pdev,
					       const struct smartssd_shell *shell)
{
	struct smartssd_dev *sd = kzalloc(sizeof(*sd), GFP_KERNEL);
	int ret;

	if (!sd)
		return ERR_PTR(-ENOMEM);
	ret = init_srcu_struct(&sd->srcu);
	if (ret)
		goto free_sd;
	ret = ida_alloc_max(&smartssd_ida, SMARTSSD_MINORS - 1, GFP_KERNEL);
	if (ret < 0)
		goto cleanup_srcu;
	sd->id = ret;
	sd->pdev = pci_dev_get(pdev);
	sd->shell = shell;
	sd->bus = (struct smartssd_bus){ .read = dev_bus_read, .write = dev_bus_write, .ctx = sd };
	mutex_init(&sd->buf_lock);
	INIT_LIST_HEAD(&sd->bufs);
	mutex_init(&sd->clients_lock);
	INIT_LIST_HEAD(&sd->clients);
	init_rwsem(&sd->xclbin_lock);
	mutex_init(&sd->cu_lock);
	INIT_DELAYED_WORK(&sd->watch, smartssd_cus_watch);
	INIT_DELAYED_WORK(&sd->health, smartssd_health_work);
	INIT_WORK(&sd->gone_work, smartssd_gone_work);
	device_initialize(&sd->dev);
	sd->dev.class = smartssd_class;
	sd->dev.parent = &pdev->dev;
	sd->dev.devt = MKDEV(MAJOR(smartssd_devt), sd->id);
	sd->dev.release = smartssd_dev_release;
	sd->dev.groups = smartssd_groups;
	cdev_init(&sd->cdev, &smartssd_fops);
	sd->cdev.owner = THIS_MODULE;
	ret = dev_set_name(&sd->dev, "smartssd%d", sd->id);
	if (ret) {
		put_device(&sd->dev);
		return ERR_PTR(ret);
	}
	return sd;

cleanup_srcu:
	cleanup_srcu_struct(&sd->srcu);
free_sd:
	kfree(sd);
	return ERR_PTR(ret);
}

static void smartssd_release_regions(void *pdev)
{
	pci_release_regions(pdev);
}

static void smartssd_disable(void *pdev)
{
	pci_disable_device(pdev);
}

/*
 * The BARs must stay decoded until the last peer page is back, which is after remove: so undone by
 * devres, in which what the memory needs was there first. Not by pcim_enable_device(): what that
 * makes of pci_request_regions() differs between kernels.
 */
static int smartssd_enable(struct pci_dev *pdev)
{
	int ret = pci_enable_device(pdev);

	if (ret)
		return ret;
	ret = devm_add_action_or_reset(&pdev->dev, smartssd_disable, pdev);
	if (ret)
		return ret;
	ret = pci_request_regions(pdev, "smartssd");
	if (ret)
		return ret;
	ret = devm_add_action_or_reset(&pdev->dev, smartssd_release_regions, pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	return 0;
}

static void smartssd_read_dna(struct smartssd_dev *sd)
{
	sd->dna[0] = sd->shell->read(sd, WIN_DNA_LO);
	sd->dna[1] = sd->shell->read(sd, WIN_DNA_MD);
	sd->dna[2] = sd->shell->read(sd, WIN_DNA_HI);
}

static int smartssd_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct smartssd_dev *sd;
	int ret;

	sd = smartssd_dev_alloc(pdev, &smartssd_shells[id->driver_data]);
	if (IS_ERR(sd))
		return PTR_ERR(sd);
	ret = smartssd_enable(pdev);
	if (ret)
		goto put_sd;
	ret = sd->shell->setup(sd);
	if (ret)
		goto put_sd;
	ret = smartssd_memory_setup(sd);
	if (ret)
		goto cleanup_shell;
	smartssd_read_dna(sd);
	ret = smartssd_irq_setup(sd);
	if (ret)
		goto cleanup_memory;
	pci_set_drvdata(pdev, sd);
	ret = cdev_device_add(&sd->cdev, &sd->dev);
	if (ret)
		goto cleanup_irq;
	smartssd_debugfs_add(sd);
	dev_info(&pdev->dev, "smartssd%d: %s shell, %llu MiB card memory, peer DMA: %s\n", sd->id,
		 sd->shell->name, sd->aperture_bytes >> 20,
		 smartssd_peer_text(smartssd_peer_card(sd)));
	return 0;

cleanup_irq:
	smartssd_irq_cleanup(sd);
cleanup_memory:
	smartssd_memory_cleanup(sd);
cleanup_shell:
	if (sd->shell->cleanup)
		sd->shell->cleanup(sd);
put_sd:
	cancel_work_sync(&sd->gone_work);
	put_device(&sd->dev);
	return ret;
}

static void smartssd_remove(struct pci_dev *pdev)
{
	struct smartssd_dev *sd = pci_get_drvdata(pdev);

	/* No new callers, and wait for those inside: calls, and I/O under way. */
	WRITE_ONCE(sd->dead, true);
	smartssd_debugfs_remove(sd);
	cdev_device_del(&sd->cdev, &sd->dev);
	/* The name is free: a card that comes back gets it even while old files are open. */
	ida_free(&smartssd_ida, sd->id);
	smartssd_wake_clients(sd);
	synchronize_srcu(&sd->srcu);

	/*
	 * CUs are stopped, what waits for them is dropped. Jobs end by themselves: whatever of them
	 * comes to its turn from now on sees that the card is dead.
	 */
	smartssd_cus_abort(sd, NULL, -ENODEV);
	cancel_delayed_work_sync(&sd->health);
	cancel_delayed_work_sync(&sd->watch);
	smartssd_irq_cleanup(sd);
	cancel_work_sync(&sd->gone_work);
	down_write(&sd->xclbin_lock);
	smartssd_cus_replace(sd, NULL);
	up_write(&sd->xclbin_lock);

	/*
	 * Memory: mappings, exports, BOs. After remove the devres of the peer memory waits until
	 * whoever still does I/O to the pages is through with it.
	 */
	smartssd_unmap_clients(sd);
	smartssd_bufs_revoke(sd);
	smartssd_buf_put(sd->staging);
	smartssd_memory_cleanup(sd);
	if (sd->shell->cleanup)
		sd->shell->cleanup(sd);
	put_device(&sd->dev);
}

static struct pci_driver smartssd_driver = {
	.name = "smartssd",
	.id_table = smartssd_ids,
	.probe = smartssd_probe,
	.remove = smartssd_remove,
};

/* For a group of users, as with other accelerators; which group is udev's. */
static char *smartssd_devnode(smartssd_devnode_dev *dev, umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

static int __init smartssd_init(void)
{
	int ret;

	smartssd_class = smartssd_class_create("smartssd");
	if (IS_ERR(smartssd_class))
		return PTR_ERR(smartssd_class);
	smartssd_class->devnode = smartssd_devnode;
	ret = alloc_chrdev_region(&smartssd_devt, 0, SMARTSSD_MINORS, "smartssd");
	if (ret)
		goto destroy_class;
	ret = smartssd_clients_init();
	if (ret)
		goto unregister_region;
	smartssd_debugfs_init();
	ret = pci_register_driver(&smartssd_driver);
	if (ret)
		goto exit_debugfs;
	return 0;

exit_debugfs:
	smartssd_debugfs_exit();
	smartssd_clients_exit();
unregister_region:
	unregister_chrdev_region(smartssd_devt, SMARTSSD_MINORS);
destroy_class:
	class_destroy(smartssd_class);
	return ret;
}

static void __exit smartssd_exit(void)
{
	pci_unregister_driver(&smartssd_driver);
	smartssd_debugfs_exit();
	smartssd_clients_exit();
	unregister_chrdev_region(smartssd_devt, SMARTSSD_MINORS);
	class_destroy(smartssd_class);
}

module_init(smartssd_init);
module_exit(smartssd_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("SmartSSD: an NVMe SSD and an FPGA behind one PCIe switch");
SMARTSSD_IMPORT_DMA_BUF;
