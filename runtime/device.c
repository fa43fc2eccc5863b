// SPDX-License-Identifier: BSD-2-Clause
/* The device: one function per ioctl of smartssd.h, on the driver or on the embedded card. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "emu.h"
#include "private.h"

struct smartssd_device {
	struct emu *emu; /* the embedded card, or NULL ... */
	int fd;		 /* ... and the driver's node */
	char uri[];
};

#define DEFAULT_NODE "/dev/smartssd0"

/* @from: " (from $SMARTSSD_DEVICE)", or "" when the caller named the device himself */
static int open_node(struct smartssd_device *dev, const char *from, struct smartssd_error *err)
{
	struct smartssd_query query;
	int ret;

	dev->fd = open(dev->uri, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0) {
		ret = -errno;
		switch (ret) {
		case -ENOENT:
			return smartssd_fail(err, ret,
					     "%s%s does not exist: the driver is not loaded (modprobe smartssd) or found no card (lspci -d "
					     "10ee:6988); \"emu:\" opens an emulated card without either",
					     dev->uri, from);
		case -EACCES:
		case -EPERM:
			return smartssd_fail(
				err, ret,
				"%s%s: no permission to open it for reading and writing; ask the administrator for a udev rule, or "
				"run as root",
				dev->uri, from);
		case -ENODEV:
		case -ENXIO:
			return smartssd_fail(
				err, ret,
				"%s%s: its card is gone; reload the driver, or restart the machine when the drive does not come back",
				dev->uri, from);
		default:
			return smartssd_fail(err, ret, "%s%s: %s", dev->uri, from, strerror(-ret));
		}
	}
	ret = smartssd_query(dev, &query);
	if (!ret)
		return 0;
	close(dev->fd);
	if (ret == -ENOTTY || ret == -EINVAL)
		return smartssd_fail(err, ret, "%s%s is not a SmartSSD: it does not answer SMARTSSD_IOC_QUERY", dev->uri, from);
	return smartssd_fail(err, ret, "%s%s does not answer a query: %s", dev->uri, from, strerror(-ret));
}

int smartssd_open(const char *uri, struct smartssd_device **out, struct smartssd_error *err)
{
	struct smartssd_device *dev;
	struct smartssd_error why = { "" };
	const char *from = "";
	int ret;

	*out = NULL;
	if (!uri) {
		uri = getenv("SMARTSSD_DEVICE");
		if (uri && *uri)
			from = " (from $SMARTSSD_DEVICE)";
		else
			uri = access(DEFAULT_NODE, F_OK) ? "emu:" : DEFAULT_NODE;
	}
	dev = malloc(sizeof(*dev) + strlen(uri) + 1);
	if (!dev)
		return smartssd_fail(err, -ENOMEM, "no memory");
	strcpy(dev->uri, uri);
	dev->emu = NULL;
	dev->fd = -1;

	if (!strncmp(uri, "emu:", 4))
		ret = emu_open(uri + 4, &dev->emu, &why);
	else if (uri[0] == '/')
		ret = open_node(dev, from, err);
	else
		ret = smartssd_fail(err, -EINVAL,
				    "\"%s\"%s is no device: use /dev/smartssdN, or emu:[KEY=VALUE,...] for an emulated card", uri, from);
	if (ret && *why.text)
		smartssd_fail(err, ret, "%s%s", why.text, from);
	if (ret)
		free(dev);
	else
		*out = dev;
	return ret;
}

void smartssd_close(struct smartssd_device *dev)
{
	if (!dev)
		return;
	if (dev->emu)
		emu_close(dev->emu);
	else
		close(dev->fd);
	free(dev);
}

const char *smartssd_uri(const struct smartssd_device *dev)
{
	return dev->uri;
}

int smartssd_ioctl(struct smartssd_device *dev, unsigned long request, void *arg)
{
	if (dev->emu)
		return emu_ioctl(dev->emu, request, arg);
	return ioctl(dev->fd, request, arg) < 0 ? -errno : 0;
}

int smartssd_poll_fd(struct smartssd_device *dev)
{
	return dev->emu ? emu_poll_fd(dev->emu) : dev->fd;
}

int smartssd_query(struct smartssd_device *dev, struct smartssd_query *out)
{
	*out = (struct smartssd_query){ .size = sizeof(*out) };
	return smartssd_ioctl(dev, SMARTSSD_IOC_QUERY, out);
}

int smartssd_cu_info(struct smartssd_device *dev, uint32_t cu, struct smartssd_cu_info *out)
{
	*out = (struct smartssd_cu_info){ .size = sizeof(*out), .index = cu };
	return smartssd_ioctl(dev, SMARTSSD_IOC_CU_INFO, out);
}

int smartssd_arg_info(struct smartssd_device *dev, uint32_t cu, uint32_t arg, struct smartssd_arg_info *out)
{
	*out = (struct smartssd_arg_info){ .size = sizeof(*out), .cu = cu, .index = arg };
	return smartssd_ioctl(dev, SMARTSSD_IOC_ARG_INFO, out);
}

int smartssd_counters(struct smartssd_device *dev, uint32_t scope, struct smartssd_counters *out)
{
	*out = (struct smartssd_counters){ .size = sizeof(*out), .scope = scope };
	return smartssd_ioctl(dev, SMARTSSD_IOC_COUNTERS, out);
}

static int id_ioctl(struct smartssd_device *dev, unsigned long request, uint32_t id)
{
	struct smartssd_id arg = { .size = sizeof(arg), .id = id };

	return smartssd_ioctl(dev, request, &arg);
}

int smartssd_cu_reset(struct smartssd_device *dev, uint32_t cu)
{
	return id_ioctl(dev, SMARTSSD_IOC_CU_RESET, cu);
}

int smartssd_set_eventfd(struct smartssd_device *dev, int fd)
{
	struct smartssd_eventfd arg = { .size = sizeof(arg), .fd = fd };

	return smartssd_ioctl(dev, SMARTSSD_IOC_EVENTFD, &arg);
}

int smartssd_xclbin_load(struct smartssd_device *dev, const void *data, size_t bytes)
{
	struct smartssd_xclbin arg = { .size = sizeof(arg), .data = (uintptr_t)data, .bytes = bytes };

	return smartssd_ioctl(dev, SMARTSSD_IOC_XCLBIN_LOAD, &arg);
}

int smartssd_read_all(int fd, void *data, uint64_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t n = pread(fd, data, min_u64(bytes, 1 << 30), (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		data = (char *)data + n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

static int explain_xclbin(struct smartssd_error *err, int ret, const char *path)
{
	switch (ret) {
	case -EPERM:
		return smartssd_fail(
			err, ret,
			"%s: loading an xclbin takes CAP_SYS_ADMIN, because it says which registers are pointers into card "
			"memory; have the administrator load it once (`smartssd xclbin load`), then everybody may use it",
			path);
	case -EBUSY:
		return smartssd_fail(err, ret,
				     "%s: jobs are in flight on the card, or a compute unit hangs that cannot be stopped from here: wait "
				     "for them, then load",
				     path);
	case -EBADMSG:
		return smartssd_fail(err, ret, "%s is not a well-formed xclbin; `smartssd xclbin info %s` says where it breaks",
				     path, path);
	case -EOPNOTSUPP:
		return smartssd_fail(err, ret,
				     "%s is not for this card: packed for another platform, or its kernels use a control protocol "
				     "other than ap_ctrl_hs and ap_ctrl_chain",
				     path);
	case -EIO:
		return smartssd_fail(err, ret, "%s: the card refused the bitstream; no xclbin is loaded now", path);
	default:
		return smartssd_fail(err, ret, "%s: cannot be loaded: %s", path, strerror(-ret));
	}
}

int smartssd_xclbin_load_file(struct smartssd_device *dev, const char *path, struct smartssd_error *err)
{
	int fd = smartssd_open_read(path);
	void *data = NULL;
	struct stat st;
	int ret;

	if (fd < 0) {
		ret = -errno;
		return smartssd_fail(err, ret, "%s: %s", path, strerror(-ret));
	}
	if (fstat(fd, &st)) {
		ret = smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		ret = smartssd_fail(err, -EBADMSG, "%s is not a regular file", path);
	} else if (st.st_size == 0 || st.st_size > SMARTSSD_MAX_XCLBIN) {
		ret = smartssd_fail(err, -EBADMSG, "%s has %lld bytes; an xclbin has 1 to %u", path, (long long)st.st_size,
				    SMARTSSD_MAX_XCLBIN);
	} else {
		data = malloc((size_t)st.st_size);
		ret = data ? smartssd_read_all(fd, data, (uint64_t)st.st_size, 0) : -ENOMEM;
		if (ret)
			smartssd_fail(err, ret, "%s: cannot be read: %s", path, strerror(-ret));
	}
	close(fd);
	if (!ret) {
		ret = smartssd_xclbin_load(dev, data, (size_t)st.st_size);
		if (ret)
			explain_xclbin(err, ret, path);
	}
	free(data);
	return ret;
}

uint64_t smartssd_find_kernel(struct smartssd_device *dev, const char *kernel)
{
	struct smartssd_query query;
	struct smartssd_cu_info cu;
	size_t length = strlen(kernel);
	uint64_t mask = 0;

	if (smartssd_query(dev, &query))
		return 0;
	for (uint32_t i = 0; i < query.nr_cus && i < SMARTSSD_MAX_CUS; i++) {
		if (smartssd_cu_info(dev, i, &cu))
			continue;
		if (length < sizeof(cu.name) && !memcmp(cu.name, kernel, length) && cu.name[length] == ':')
			mask |= 1ull << i;
	}
	return mask;
}

int smartssd_bo_create(struct smartssd_device *dev, uint64_t bytes, struct smartssd_bo *out)
{
	*out = (struct smartssd_bo){ .size = sizeof(*out), .bytes = bytes };
	return smartssd_ioctl(dev, SMARTSSD_IOC_BO_CREATE, out);
}

int smartssd_bo_destroy(struct smartssd_device *dev, uint32_t bo)
{
	return id_ioctl(dev, SMARTSSD_IOC_BO_DESTROY, bo);
}

int smartssd_bo_map(struct smartssd_device *dev, const struct smartssd_bo *bo, void **out)
{
	void *map;

	if (dev->emu)
		return emu_mmap(dev->emu, bo->mmap_offset, bo->bytes, out);
	map = mmap(NULL, bo->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, (off_t)bo->mmap_offset);
	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}

int smartssd_bo_unmap(struct smartssd_device *dev, const struct smartssd_bo *bo, void *map)
{
	if (dev->emu)
		return emu_munmap(dev->emu, map, bo->bytes);
	return munmap(map, bo->bytes) ? -errno : 0;
}

int smartssd_bo_export(struct smartssd_device *dev, uint32_t bo, int *fd)
{
	struct smartssd_bo_fd arg = { .size = sizeof(arg), .bo = bo };
	int ret = smartssd_ioctl(dev, SMARTSSD_IOC_BO_EXPORT, &arg);

	if (!ret)
		*fd = arg.fd;
	return ret;
}

int smartssd_bo_import(struct smartssd_device *dev, int fd, uint32_t *bo, uint64_t *bytes)
{
	struct smartssd_bo_fd arg = { .size = sizeof(arg), .fd = fd };
	int ret = smartssd_ioctl(dev, SMARTSSD_IOC_BO_IMPORT, &arg);

	if (!ret) {
		*bo = arg.bo;
		*bytes = arg.bytes;
	}
	return ret;
}

int smartssd_file_register(struct smartssd_device *dev, int fd, struct smartssd_file *out)
{
	*out = (struct smartssd_file){ .size = sizeof(*out), .fd = fd };
	return smartssd_ioctl(dev, SMARTSSD_IOC_FILE_REGISTER, out);
}

int smartssd_file_unregister(struct smartssd_device *dev, uint32_t file)
{
	return id_ioctl(dev, SMARTSSD_IOC_FILE_UNREGISTER, file);
}

int smartssd_wait(struct smartssd_device *dev, uint64_t job, uint64_t deadline_ns, struct smartssd_outcome *out,
		  struct smartssd_result *results, uint32_t nr)
{
	struct smartssd_wait arg;
	int ret;

	do {
		arg = (struct smartssd_wait){
			.size = sizeof(arg), .job = job, .deadline_ns = deadline_ns,
			.results = (uintptr_t)results, .nr_results = results ? nr : 0,
		};
		ret = smartssd_ioctl(dev, SMARTSSD_IOC_WAIT, &arg);
	} while (ret == -EINTR);
	if (!ret && out)
		*out = (struct smartssd_outcome){ arg.status, arg.first_error, arg.done, arg.nr_results };
	return ret;
}

uint64_t smartssd_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
