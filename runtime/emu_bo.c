// SPDX-License-Identifier: BSD-2-Clause
/*
 * Card memory: BOs, their handles, mappings and exports.
 *
 * An export's descriptor is a sealed memfd of the BO's length. It holds no data; its inode says which BO it stands for. It must
 * also say when it is closed everywhere, or the memory could never be freed: so it is a second open of that memfd and carries
 * an flock, which the kernel drops with the last descriptor of that open, and which we test from the first open.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "emu_impl.h"

#define MMAP_SHIFT 12 /* mmap_offset is the id in pages */

/* ---- ids ---- */

struct emu_slot {
	void *object; /* NULL: free */
	u32 next;     /* when free: the next free slot, + 1 */
};

int emu_ids_add(struct emu_ids *ids, void *object, u32 *id)
{
	u32 slot;

	if (ids->used >= ids->limit)
		return -EBUSY;
	if (ids->nr == ids->room && !ids->first) {
		if (ids->nr >= 1u << 23 || smartssd_grow(&ids->slots, &ids->room, ids->nr + 1ull, 64, sizeof(*ids->slots)))
			return -ENOMEM;
	}
	if (ids->nr < ids->room) {
		slot = ids->nr++;
	} else {
		slot = ids->first - 1;
		ids->first = ids->slots[slot].next;
		if (!ids->first)
			ids->last = 0;
	}
	ids->slots[slot] = (struct emu_slot){ object, 0 };
	*id = slot + 1;
	ids->used++;
	return 0;
}

void *emu_ids_find(const struct emu_ids *ids, u32 id)
{
	return id && id <= ids->nr ? ids->slots[id - 1].object : NULL;
}

void *emu_ids_remove(struct emu_ids *ids, u32 id)
{
	void *object = emu_ids_find(ids, id);

	if (!object)
		return NULL;
	ids->used--;
	ids->slots[id - 1] = (struct emu_slot){ NULL, 0 };
	if (ids->last)
		ids->slots[ids->last - 1].next = id;
	else
		ids->first = id;
	ids->last = id;
	return object;
}

void emu_ids_free(struct emu_ids *ids)
{
	free(ids->slots);
	memset(ids, 0, sizeof(*ids));
}

/* ---- BOs ---- */

void emu_bo_ref(struct emu_bo *bo)
{
	atomic_fetch_add(&bo->refs, 1);
}

/* Zeros for the next owner. Large pieces go back to the system, which is quicker than writing them. */
static void clear(struct emu *emu, u64 address, u64 bytes)
{
	if (bytes >= 256u << 10 && !fallocate(emu->ddr_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address, bytes))
		return;
	memset(emu->ddr + address, 0, bytes);
}

void emu_bo_put(struct emu_bo *bo)
{
	struct emu *owner = bo->owner;

	if (atomic_fetch_sub(&bo->refs, 1) != 1)
		return;
	/* After a close the memory belongs to the mappings that are left. */
	if (!atomic_load(&owner->closed)) {
		clear(owner, bo->address, bo->bytes);
		pthread_mutex_lock(&owner->mem_lock);
		smartssd_ddr_free(owner->mem, bo->address);
		pthread_mutex_unlock(&owner->mem_lock);
	}
	free(bo);
	emu_put(owner);
}

struct emu_bo *emu_bo_get(struct emu *emu, u32 id)
{
	struct emu_bo *bo = emu_ids_find(&emu->bos, id);

	if (bo)
		emu_bo_ref(bo);
	return bo;
}

u64 emu_mem_free(struct emu *emu)
{
	u64 bytes;

	pthread_mutex_lock(&emu->mem_lock);
	bytes = smartssd_ddr_free_bytes(emu->mem);
	pthread_mutex_unlock(&emu->mem_lock);
	return bytes;
}

static int alloc(struct emu *emu, u64 bytes, u64 *address)
{
	int ret;

	pthread_mutex_lock(&emu->mem_lock);
	ret = smartssd_ddr_alloc(emu->mem, bytes, address);
	pthread_mutex_unlock(&emu->mem_lock);
	return ret;
}

/* A handle takes over the caller's reference, also when it cannot be made. */
static int add_handle(struct emu *emu, struct emu_bo *bo, u32 *id)
{
	int ret;

	pthread_mutex_lock(&emu->lock);
	ret = emu_ids_add(&emu->bos, bo, id);
	pthread_mutex_unlock(&emu->lock);
	if (ret)
		emu_bo_put(bo);
	return ret;
}

int emu_bo_new(struct emu *emu, u64 bytes, struct emu_bo **out)
{
	struct emu_bo *bo = calloc(1, sizeof(*bo));
	int ret;

	if (!bo)
		return -ENOMEM;
	ret = alloc(emu, bytes, &bo->address);
	if (ret == -ENOMEM) {
		emu_exports_reap();
		ret = alloc(emu, bytes, &bo->address);
	}
	if (ret) {
		free(bo);
		return ret;
	}
	bo->owner = emu;
	bo->bytes = (bytes + EMU_BO_ALIGN - 1) & ~(u64)(EMU_BO_ALIGN - 1);
	atomic_init(&bo->refs, 1);
	atomic_fetch_add(&emu->refs, 1);
	*out = bo;
	return 0;
}

int emu_bo_create(struct emu *emu, struct smartssd_bo *arg)
{
	struct emu_bo *bo;
	int ret;

	if (arg->flags || arg->pad || !arg->bytes)
		return -EINVAL;
	ret = emu_bo_new(emu, arg->bytes, &bo);
	if (ret)
		return ret;
	arg->bytes = bo->bytes;
	arg->address = bo->address;
	ret = add_handle(emu, bo, &arg->bo);
	arg->mmap_offset = (u64)arg->bo << MMAP_SHIFT;
	return ret;
}

int emu_bo_destroy(struct emu *emu, struct smartssd_id *id)
{
	struct emu_bo *bo;

	pthread_mutex_lock(&emu->lock);
	bo = emu_ids_remove(&emu->bos, id->id);
	pthread_mutex_unlock(&emu->lock);
	if (!bo)
		return -ENOENT;
	emu_bo_put(bo);
	return 0;
}

/* ---- mappings ---- */

int emu_mmap(struct emu *emu, uint64_t mmap_offset, uint64_t bytes, void **out)
{
	struct emu_map *map = malloc(sizeof(*map));
	u64 id = mmap_offset >> MMAP_SHIFT;
	int ret = 0;

	if (!map)
		return -ENOMEM;
	map->bo = NULL;
	pthread_mutex_lock(&emu->lock);
	if (emu->gone)
		ret = -ENODEV;
	else if (id <= 0xffffffffu && !(mmap_offset & ((1u << MMAP_SHIFT) - 1)))
		map->bo = emu_bo_get(emu, id);
	pthread_mutex_unlock(&emu->lock);
	if (!ret && (!map->bo || !bytes || bytes > map->bo->bytes))
		ret = -EINVAL;
	if (!ret) {
		map->bytes = bytes;
		map->address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->bo->owner->ddr_fd, map->bo->address);
		if (map->address == MAP_FAILED)
			ret = -errno;
	}
	if (ret) {
		if (map->bo)
			emu_bo_put(map->bo);
		free(map);
		return ret;
	}
	pthread_mutex_lock(&emu->lock);
	map->next = emu->maps;
	emu->maps = map;
	pthread_mutex_unlock(&emu->lock);
	*out = map->address;
	return 0;
}

int emu_munmap(struct emu *emu, void *address, uint64_t bytes)
{
	struct emu_map **p, *map = NULL;

	pthread_mutex_lock(&emu->lock);
	for (p = &emu->maps; *p; p = &(*p)->next)
		if ((*p)->address == address && (*p)->bytes == bytes)
			break;
	if (*p) {
		map = *p;
		*p = map->next;
	}
	pthread_mutex_unlock(&emu->lock);
	if (!map)
		return -EINVAL;
	munmap(address, bytes);
	emu_bo_put(map->bo);
	free(map);
	return 0;
}

void emu_forget_objects(struct emu *emu)
{
	struct emu_map *map;
	void *object;
	u32 i;

	for (i = 1; i <= emu->bos.nr; i++) {
		object = emu_ids_find(&emu->bos, i);
		if (object)
			emu_bo_put(object);
	}
	for (i = 1; i <= emu->files.nr; i++) {
		object = emu_ids_find(&emu->files, i);
		if (object)
			emu_file_put(object);
	}
	emu_ids_free(&emu->bos);
	emu_ids_free(&emu->files);
	while ((map = emu->maps)) {
		emu->maps = map->next;
		emu_bo_put(map->bo);
		free(map);
	}
}

/* ---- exports, of all cards of this process ---- */

struct export {
	struct export *next;
	struct emu_bo *bo;
	int fd; /* the first open of the memfd */
	dev_t dev;
	ino_t ino;
};

static pthread_mutex_t exports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct export *exports;

static void export_free(struct export *e)
{
	if (e->fd >= 0)
		close(e->fd);
	emu_bo_put(e->bo);
	free(e);
}

void emu_exports_reap(void)
{
	struct export **p, *e, *dead = NULL;

	pthread_mutex_lock(&exports_lock);
	for (p = &exports; (e = *p);) {
		if (flock(e->fd, LOCK_EX | LOCK_NB)) {
			p = &e->next;
			continue;
		}
		*p = e->next;
		e->next = dead;
		dead = e;
	}
	pthread_mutex_unlock(&exports_lock);
	while ((e = dead)) {
		dead = e->next;
		export_free(e);
	}
}

/* The descriptor for the caller; e->fd, dev and ino are filled in. */
static int export_open(struct export *e)
{
	char path[40];
	struct stat st;
	int fd;

	e->fd = memfd_create("smartssd-bo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (e->fd < 0)
		return -errno;
	if (ftruncate(e->fd, e->bo->bytes) || fstat(e->fd, &st) ||
	    fcntl(e->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

int emu_bo_export(struct emu *emu, struct smartssd_bo_fd *arg)
{
	struct export *e;
	int fd;

	if (arg->flags)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->fd = -1;
	pthread_mutex_lock(&emu->lock);
	e->bo = emu_bo_get(emu, arg->bo);
	pthread_mutex_unlock(&emu->lock);
	if (!e->bo) {
		free(e);
		return -ENOENT;
	}
	fd = export_open(e);
	if (fd < 0) {
		export_free(e);
		return fd;
	}
	emu_exports_reap();
	arg->fd = fd;
	arg->bytes = e->bo->bytes;
	pthread_mutex_lock(&exports_lock);
	e->next = exports;
	exports = e;
	pthread_mutex_unlock(&exports_lock);
	return 0;
}

int emu_bo_import(struct emu *emu, struct smartssd_bo_fd *arg)
{
	struct emu_bo *bo = NULL;
	struct export *e;
	struct stat st;

	if (arg->flags)
		return -EINVAL;
	if (fstat(arg->fd, &st))
		return -EBADF;
	pthread_mutex_lock(&exports_lock);
	for (e = exports; e; e = e->next)
		if (e->dev == st.st_dev && e->ino == st.st_ino)
			break;
	if (e) {
		bo = e->bo;
		emu_bo_ref(bo);
	}
	pthread_mutex_unlock(&exports_lock);
	if (!bo)
		return -EINVAL;
	arg->bytes = bo->bytes;
	return add_handle(emu, bo, &arg->bo);
}
