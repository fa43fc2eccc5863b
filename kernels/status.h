/* SPDX-License-Identifier: BSD-2-Clause */
/* What every kernel here reports through its status buffer. */
#ifndef KERNELS_STATUS_H
#define KERNELS_STATUS_H

#define KERNEL_STATUS_WORDS 4

/* status[0]; 0 means that the kernel never ran. status[1], status[2]: detail */
#define KERNEL_OK	 1u
#define KERNEL_BAD_SHAPE 2u /* arguments contradict each other or exceed the on-chip buffers; status[1]: which check */
#define KERNEL_BAD_RANGE 3u /* an access would leave a buffer; status[1]: which buffer, 0 = first pointer argument */
#define KERNEL_BAD_INDEX 4u /* embedding_bag: status[1]: position of the index, status[2]: the index */

#endif
