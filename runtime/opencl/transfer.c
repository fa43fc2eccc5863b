// SPDX-License-Identifier: BSD-2-Clause
/* Read, write, copy and fill: all but fill are one command, a box of bytes, rows and slices between two regions. */
#include "cl_impl.h"

#define PIECES	    1024u /* device commands of one job */
#define STAGE_BYTES (1u << 20)

/* ---- a box ---- */

static uint64_t row_offset(const struct region *r, const uint64_t size[3], uint64_t row)
{
	return r->offset + row / size[1] * r->slice_pitch + row % size[1] * r->row_pitch;
}

static cl_int copy_build(struct _cl_event *event, struct build *b)
{
	const struct region *src = &event->copy.src, *dst = &event->copy.dst;
	const uint64_t *size = event->copy.size;
	uint32_t device = event->queue->device_index, from = 0, to = 0;
	uint64_t rows = size[1] * size[2], row;
	cl_int ret = CL_SUCCESS;

	if (src->mem)
		ret = mem_use(src->mem, device, false, &from);
	if (!ret && dst->mem)
		ret = mem_use(dst->mem, device, true, &to);
	for (row = event->copy.from; !ret && row < rows && row - event->copy.from < PIECES; row++) {
		uint64_t s = row_offset(src, size, row), d = row_offset(dst, size, row);

		if (!src->mem)
			ret = build_put(b, smartssd_list_copy_to(b->list, to, d, (char *)src->host + s, size[0]));
		else if (!dst->mem)
			ret = build_put(b, smartssd_list_copy_from(b->list, (char *)dst->host + d, from, s, size[0]));
		else
			ret = build_put(b, smartssd_list_copy_bo(b->list, to, d, from, s, size[0]));
	}
	event->copy.to = row;
	event->more = row < rows;
	return ret;
}

static void copy_step(struct _cl_event *event)
{
	event->copy.from = event->copy.to;
}

static void copy_release(struct _cl_event *event)
{
	if (event->copy.src.mem)
		object_put(event->copy.src.mem);
	if (event->copy.dst.mem)
		object_put(event->copy.dst.mem);
}

static const struct command copy_command = { copy_build, copy_step, copy_release };

/* Rows without a gap between them, on both sides, are one row. */
static void merge(struct _cl_event *event)
{
	struct region *src = &event->copy.src, *dst = &event->copy.dst;
	uint64_t *size = event->copy.size;

	for (int i = 0; i < 2; i++) {
		if (size[1] == 1) {
			size[1] = size[2];
			size[2] = 1;
			src->row_pitch = src->slice_pitch;
			dst->row_pitch = dst->slice_pitch;
		}
		if (src->row_pitch == size[0] && dst->row_pitch == size[0] &&
		    (size[2] == 1 || (src->slice_pitch == size[0] * size[1] && dst->slice_pitch == size[0] * size[1]))) {
			size[0] *= size[1] * size[2];
			size[1] = size[2] = 1;
		}
	}
}

/* Where one side of a box begins, and whether its pitches make sense; *@end: bytes from there to the end of the box. */
static cl_int box_side(struct region *r, const size_t *origin, const size_t size[3], size_t row_pitch, size_t slice_pitch, uint64_t *end)
{
	uint64_t x, y, z, rows;

	if (!row_pitch)
		row_pitch = size[0];
	if (row_pitch < size[0])
		return CL_INVALID_VALUE;
	if (__builtin_mul_overflow((uint64_t)row_pitch, size[1], &rows))
		return CL_INVALID_VALUE;
	if (!slice_pitch)
		slice_pitch = rows;
	if (slice_pitch < rows || slice_pitch % row_pitch)
		return CL_INVALID_VALUE;
	if (__builtin_mul_overflow((uint64_t)slice_pitch, origin[2], &z) || __builtin_mul_overflow((uint64_t)row_pitch, origin[1], &y) ||
	    __builtin_add_overflow(z, y, &x) || __builtin_add_overflow(x, (uint64_t)origin[0], &r->offset))
		return CL_INVALID_VALUE;
	r->row_pitch = row_pitch;
	r->slice_pitch = slice_pitch;
	if (__builtin_mul_overflow((uint64_t)slice_pitch, size[2] - 1, &z) || __builtin_add_overflow(z, rows - row_pitch, &x) ||
	    __builtin_add_overflow(x, (uint64_t)size[0], end))
		return CL_INVALID_VALUE;
	return CL_SUCCESS;
}

/* @mem takes part in @event; the region's offset becomes one of its root. */
static cl_int take_mem(struct enqueue *e, struct region *r, cl_mem handle, uint64_t end)
{
	struct _cl_mem *mem;
	cl_int ret;

	mem = mem_hold(handle, e->queue->context, &ret);
	if (!mem)
		return ret;
	r->mem = mem; /* released with the event */
	if (!mem_inside(mem, r->offset, end))
		return CL_INVALID_VALUE;
	if (mem->parent && mem->offset % e->queue->device->bo_align)
		return CL_MISALIGNED_SUB_BUFFER_OFFSET;
	r->offset += mem->offset;
	return mem_allocate(mem, e->queue->device_index);
}

struct host_box {
	bool write;
	cl_command_type type;
	const size_t *origin, *host_origin, *size;
	size_t row_pitch, slice_pitch, host_row_pitch, host_slice_pitch;
	void *host;
};

static cl_int enqueue_host(cl_command_queue queue, cl_mem handle, cl_bool blocking, const struct host_box *box, cl_uint nr, const cl_event *list,
			   cl_event *out)
{
	cl_mem_flags refuses = CL_MEM_HOST_NO_ACCESS | (box->write ? CL_MEM_HOST_READ_ONLY : CL_MEM_HOST_WRITE_ONLY);
	struct region *card, *host;
	struct _cl_event *event;
	struct enqueue e;
	uint64_t end, host_end;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, box->type, &copy_command);
	if (ret)
		return ret;
	event = e.event;
	card = box->write ? &event->copy.dst : &event->copy.src;
	host = box->write ? &event->copy.src : &event->copy.dst;
	if (!box->host || !box->origin || !box->host_origin || !box->size || !box->size[0] || !box->size[1] || !box->size[2])
		ret = CL_INVALID_VALUE;
	if (!ret)
		ret = box_side(card, box->origin, box->size, box->row_pitch, box->slice_pitch, &end);
	if (!ret)
		ret = box_side(host, box->host_origin, box->size, box->host_row_pitch, box->host_slice_pitch, &host_end);
	if (ret) { /* a bad buffer goes before a bad value */
		struct _cl_mem *mem = object_hold(KIND_MEM, handle);

		if (!mem)
			return enqueue_abort(&e, CL_INVALID_MEM_OBJECT);
		object_put(mem);
		return enqueue_abort(&e, ret);
	}
	ret = take_mem(&e, card, handle, end);
	if (!ret && card->mem->flags & refuses)
		ret = CL_INVALID_OPERATION;
	if (ret)
		return enqueue_abort(&e, ret);
	host->host = box->host;
	for (int i = 0; i < 3; i++)
		event->copy.size[i] = box->size[i];
	merge(event);
	return enqueue_commit(&e, blocking, out);
}

static const size_t zeros[3];

cl_int CL_API_CALL ocl_EnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes, void *host, cl_uint nr,
					 const cl_event *list, cl_event *out)
{
	const size_t origin[3] = { offset }, size[3] = { bytes, 1, 1 };
	const struct host_box box = { false, CL_COMMAND_READ_BUFFER, origin, zeros, size, .host = host };

	return enqueue_host(queue, mem, blocking, &box, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueWriteBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes, const void *host,
					  cl_uint nr, const cl_event *list, cl_event *out)
{
	const size_t origin[3] = { offset }, size[3] = { bytes, 1, 1 };
	const struct host_box box = { true, CL_COMMAND_WRITE_BUFFER, origin, zeros, size, .host = (void *)host };

	return enqueue_host(queue, mem, blocking, &box, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueReadBufferRect(cl_command_queue queue, cl_mem mem, cl_bool blocking, const size_t *origin, const size_t *host_origin,
					     const size_t *size, size_t row_pitch, size_t slice_pitch, size_t host_row_pitch,
					     size_t host_slice_pitch, void *host, cl_uint nr, const cl_event *list, cl_event *out)
{
	const struct host_box box = { false, CL_COMMAND_READ_BUFFER_RECT, origin, host_origin, size, row_pitch, slice_pitch, host_row_pitch,
				      host_slice_pitch, host };

	return enqueue_host(queue, mem, blocking, &box, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueWriteBufferRect(cl_command_queue queue, cl_mem mem, cl_bool blocking, const size_t *origin, const size_t *host_origin,
					      const size_t *size, size_t row_pitch, size_t slice_pitch, size_t host_row_pitch,
					      size_t host_slice_pitch, const void *host, cl_uint nr, const cl_event *list, cl_event *out)
{
	const struct host_box box = { true, CL_COMMAND_WRITE_BUFFER_RECT, origin, host_origin, size, row_pitch, slice_pitch, host_row_pitch,
				      host_slice_pitch, (void *)host };

	return enqueue_host(queue, mem, blocking, &box, nr, list, out);
}

/* ---- between buffers ---- */

/* Do two boxes of the same size and pitches in one buffer share a byte? By their offsets in rows and slices, as the specification does. */
static bool overlap(const struct _cl_event *event, const size_t size[3], uint64_t end)
{
	const struct region *s = &event->copy.src, *d = &event->copy.dst;
	uint64_t gap = s->offset < d->offset ? d->offset - s->offset : s->offset - d->offset, z, y, x;

	if (gap >= end)
		return false;
	if (s->row_pitch != d->row_pitch || s->slice_pitch != d->slice_pitch)
		return true;
	/* From the lower box's first byte: the upper one begins in slice z, row y, byte x; or, with a wrap, one row or slice further and to the left. */
	z = gap / s->slice_pitch;
	y = gap % s->slice_pitch / s->row_pitch;
	x = gap % s->row_pitch;
	for (int carry_x = 0; carry_x < 2; carry_x++) {
		for (int carry_y = 0; carry_y < 2; carry_y++) {
			uint64_t dx = carry_x ? s->row_pitch - x : x, rows = s->slice_pitch / s->row_pitch;
			uint64_t dy = y + carry_x, dz = z + carry_y;

			dy = carry_y ? rows - dy : dy;
			if (dx < size[0] && dy < size[1] && dz < size[2])
				return true;
		}
	}
	return false;
}

static cl_int enqueue_copy(cl_command_queue queue, cl_command_type type, cl_mem src, cl_mem dst, const size_t *src_origin, const size_t *dst_origin,
			   const size_t *size, const size_t pitch[4], cl_uint nr, const cl_event *list, cl_event *out)
{
	struct _cl_event *event;
	uint64_t src_end, dst_end;
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, type, &copy_command);
	if (ret)
		return ret;
	event = e.event;
	if (!src_origin || !dst_origin || !size || !size[0] || !size[1] || !size[2])
		ret = CL_INVALID_VALUE;
	if (!ret)
		ret = box_side(&event->copy.src, src_origin, size, pitch[0], pitch[1], &src_end);
	if (!ret)
		ret = box_side(&event->copy.dst, dst_origin, size, pitch[2], pitch[3], &dst_end);
	if (ret)
		src_end = dst_end = 0; /* the buffers are looked at all the same: a bad one goes before a bad value */
	for (int i = 0; i < 2; i++) {
		cl_int bad = i ? take_mem(&e, &event->copy.dst, dst, dst_end) : take_mem(&e, &event->copy.src, src, src_end);

		if (bad && (!ret || bad == CL_INVALID_MEM_OBJECT || bad == CL_INVALID_CONTEXT))
			ret = ret == CL_INVALID_MEM_OBJECT ? ret : bad;
	}
	if (!ret && src == dst &&
	    (event->copy.src.row_pitch != event->copy.dst.row_pitch || event->copy.src.slice_pitch != event->copy.dst.slice_pitch))
		ret = CL_INVALID_VALUE;
	if (!ret && mem_root(event->copy.src.mem) == mem_root(event->copy.dst.mem) && overlap(event, size, src_end > dst_end ? src_end : dst_end))
		ret = CL_MEM_COPY_OVERLAP;
	if (ret)
		return enqueue_abort(&e, ret);
	for (int i = 0; i < 3; i++)
		event->copy.size[i] = size[i];
	merge(event);
	return enqueue_commit(&e, false, out);
}

cl_int CL_API_CALL ocl_EnqueueCopyBuffer(cl_command_queue queue, cl_mem src, cl_mem dst, size_t src_offset, size_t dst_offset, size_t bytes, cl_uint nr,
					 const cl_event *list, cl_event *out)
{
	const size_t from[3] = { src_offset }, to[3] = { dst_offset }, size[3] = { bytes, 1, 1 };
	const size_t pitch[4] = { 0 };

	return enqueue_copy(queue, CL_COMMAND_COPY_BUFFER, src, dst, from, to, size, pitch, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueCopyBufferRect(cl_command_queue queue, cl_mem src, cl_mem dst, const size_t *src_origin, const size_t *dst_origin,
					     const size_t *size, size_t src_row, size_t src_slice, size_t dst_row, size_t dst_slice, cl_uint nr,
					     const cl_event *list, cl_event *out)
{
	const size_t pitch[4] = { src_row, src_slice, dst_row, dst_slice };

	return enqueue_copy(queue, CL_COMMAND_COPY_BUFFER_RECT, src, dst, src_origin, dst_origin, size, pitch, nr, list, out);
}

/* ---- fill ---- */

static cl_int fill_build(struct _cl_event *event, struct build *b)
{
	uint64_t at = event->fill.from, pieces = 0, bytes;
	uint32_t bo;
	cl_int ret = mem_use(event->fill.mem, event->queue->device_index, true, &bo);

	for (; !ret && at < event->fill.bytes && pieces < PIECES; at += bytes, pieces++) {
		bytes = event->fill.bytes - at;
		if (bytes > event->fill.staged)
			bytes = event->fill.staged;
		ret = build_put(b, smartssd_list_copy_to(b->list, bo, event->fill.offset + at, event->fill.pattern, bytes));
	}
	event->fill.to = at;
	event->more = at < event->fill.bytes;
	return ret;
}

static void fill_step(struct _cl_event *event)
{
	event->fill.from = event->fill.to;
}

static void fill_release(struct _cl_event *event)
{
	if (event->fill.mem)
		object_put(event->fill.mem);
	free(event->fill.pattern);
}

static const struct command fill_command = { fill_build, fill_step, fill_release };

cl_int CL_API_CALL ocl_EnqueueFillBuffer(cl_command_queue queue, cl_mem handle, const void *pattern, size_t pattern_bytes, size_t offset, size_t bytes,
					 cl_uint nr, const cl_event *list, cl_event *out)
{
	struct region r = { .offset = offset };
	struct _cl_event *event;
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, CL_COMMAND_FILL_BUFFER, &fill_command);
	if (ret)
		return ret;
	event = e.event;
	ret = take_mem(&e, &r, handle, bytes);
	event->fill.mem = r.mem;
	if (!ret && (!pattern || !pattern_bytes || pattern_bytes > 128 || pattern_bytes & (pattern_bytes - 1) || offset % pattern_bytes ||
		     bytes % pattern_bytes))
		ret = CL_INVALID_VALUE;
	if (ret)
		return enqueue_abort(&e, ret);
	event->fill.offset = r.offset;
	event->fill.bytes = bytes;
	event->fill.staged = bytes < STAGE_BYTES ? bytes : STAGE_BYTES;
	event->fill.pattern = malloc(event->fill.staged);
	if (!event->fill.pattern)
		return enqueue_abort(&e, CL_OUT_OF_HOST_MEMORY);
	for (uint64_t i = 0; i < event->fill.staged; i += pattern_bytes)
		memcpy(event->fill.pattern + i, pattern, pattern_bytes);
	return enqueue_commit(&e, false, out);
}
