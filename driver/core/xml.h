/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small, strict XML scanner for xclbin metadata: elements and attributes. Text, comments, CDATA
 * and declarations are passed over. One pass, no recursion, no allocation, bounded depth and
 * attributes per element; a document type with a subset of its own (where entity bombs live) is
 * refused.
 */
#ifndef SMARTSSD_CORE_XML_H
#define SMARTSSD_CORE_XML_H

#include "core.h"

#define XML_MAX_DEPTH 32
#define XML_MAX_ATTRS 48

struct xml_span {
	const char *p;
	size_t n;
};

/* Too large for a kernel stack: allocate it. */
struct xml {
	const char *begin, *at, *end;
	bool root_seen;
	bool close_next; /* the last tag was <empty/>: its close comes next */
	bool closed;	 /* XML_CLOSE was reported: the next call leaves that element */
	u32 depth;	 /* of the current element; the root has 1, 0 is outside */
	struct xml_span open[XML_MAX_DEPTH];
	u32 nr_attrs;
	struct xml_attr {
		struct xml_span name, value;
	} attrs[XML_MAX_ATTRS];
	struct smartssd_why *why;
};

#define XML_END	  0
#define XML_OPEN  1 /* depth already counts the element; xml_is() and xml_attr() speak of it */
#define XML_CLOSE 2 /* depth still counts the element */

void xml_init(struct xml *x, const void *data, size_t bytes, struct smartssd_why *why);

/* XML_*, -EBADMSG or -EOPNOTSUPP with @why. After an error the scanner must not be used again. */
int xml_next(struct xml *x);

/* Is the current element called @name? */
bool xml_is(const struct xml *x, const char *name);

/*
 * Value of attribute @name of the element just opened, with references replaced, always terminated.
 * Its length, which may be more than what fitted into @room; -ENOENT: no such attribute.
 */
int xml_attr(const struct xml *x, const char *name, char *out, size_t room);

/* 1-based line of the current position, for messages. */
u32 xml_line(const struct xml *x);

#endif
