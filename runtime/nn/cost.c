// SPDX-License-Identifier: BSD-2-Clause
/* What the planner knows of the world, and what a layer takes of it. */
#include <math.h>

#include "../../kernels/nn_budget.h"
#include "plan_impl.h"
#include "tile.h"

/* One core, int8: PyTorch's oneDNN on a Zen 3 core does 35 to 68 GMAC/s; floats a quarter. For what only the host can do when nothing is said of it. */
#define CORE_MACS   35e9
#define FLOAT_SHARE 0.25

void nn_machine_default(struct nn_machine *m)
{
	*m = (struct nn_machine){
		.flash_bytes_s = 3214e6,	/* UG1382: P2P, 32 requests in flight */
		.ddr_bytes_s = 15419e6,		/* UG1382 */
		.host_to_card_bytes_s = 3424e6, /* UG1382 */
		.card_to_host_bytes_s = 3314e6, /* UG1382 */
		.clock_hz = NN_CLOCK_MHZ * 1e6,
		.run_seconds = 1 / 150790.0,	/* UG1382: empty kernels per second */
		.submit_seconds = 45e-6,	/* the least that users of XRT report for a launch */
		.host_macs_s = 0,
		.host_bytes_s = 10e9,		/* an estimate: one core */
		.host_read_bytes_s = 3253e6,	/* UG1382 */
		.host_link_bytes_s = 4 * 3253e6, /* derived: 16 lanes are four drives' */
		.card_bytes = 4ull << 30,
	};
}

double nn_peak_macs_s(enum nn_shell shell, const struct nn_machine *m)
{
	return (shell == NN_SHELL_DFX ? NN_DFX_DSP : NN_FLAT_DSP) * 2 * m->clock_hz;
}

/* Multiplications of a piece of the graph. */
static double piece_macs(const struct nn_graph *g)
{
	double macs = 0;

	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		const struct nn_node *n = &g->nodes[i];
		const struct nn_dims *y, *w;

		if (n->out[0] == NN_NOWHERE)
			continue;
		y = &g->tensors[n->out[0]].dims;
		switch (n->op) {
		case NN_CONV:
		case NN_CONV_INTEGER:
		case NN_QLINEAR_CONV:
			w = &g->tensors[n->in[n->op == NN_QLINEAR_CONV ? 3 : 1]].dims;
			macs += (double)nn_count(y) * (double)nn_count(w) / (double)(w->d[0] > 0 ? w->d[0] : 1);
			break;
		case NN_GEMM:
		case NN_MATMUL:
		case NN_MATMUL_INTEGER:
		case NN_QLINEAR_MATMUL:
			w = &g->tensors[n->in[0]].dims;
			macs += (double)nn_count(y) * (double)(w->n ? w->d[w->n - 1] : 1);
			break;
		default:
			macs += (double)nn_count(y); /* an operation for each element */
		}
	}
	return macs;
}

static double image_bytes(const struct nn_program *p, uint32_t v)
{
	const struct nn_value *value;

	if (v == NN_NONE_VALUE)
		return 0;
	value = &p->values[v];
	if (value->plain)
		return (double)nn_value_stride(p, value);
	return (double)value->images * value->h * value->w * value->channels; /* a part: without its neighbours */
}

/* Of a batch of the model. */
static double host_seconds(const struct nn_program *p, const struct nn_layer *l, const struct nn_machine *m)
{
	double rate = m->host_macs_s > 0 ? m->host_macs_s : CORE_MACS, bytes = 0, macs = 0;

	if (l->kind == NN_LAYER_GRAPH) {
		for (uint32_t i = 0; i < l->graph.nr_in; i++)
			bytes += image_bytes(p, l->graph.in[i]);
		for (uint32_t i = 0; i < l->graph.nr_out; i++)
			bytes += image_bytes(p, l->graph.out[i]);
		return piece_macs(p->graphs[l->graph.graph]) / (rate * FLOAT_SHARE) + bytes / m->host_bytes_s;
	}
	bytes = image_bytes(p, l->in[0]) + image_bytes(p, l->in[1]) + image_bytes(p, l->out) + (double)l->w_bytes;
	if (l->kind == NN_LAYER_CONV)
		macs = (double)l->conv.macs * p->values[l->in[0]].images;
	if (l->kind == NN_LAYER_DEPTHWISE)
		macs = (double)l->depthwise.macs * p->values[l->in[0]].images;
	return fmax(macs / rate, bytes / m->host_bytes_s);
}

uint32_t plan_batch(const struct nn_program *program, const struct nn_machine *m)
{
	uint32_t unit = nn_program_batch(program);
	uint64_t batch = div_up(max_u64(m->batch, 1), unit) * unit; /* as session.c */

	return (uint32_t)min_u64(batch, UINT32_MAX / unit * unit);
}

int nn_layer_cost(const struct nn_program *program, const struct nn_layer *layer, enum nn_place place, const struct nn_machine *m, struct nn_cost *out)
{
	uint32_t batch = plan_batch(program, m);
	struct nn_layer bytes = *layer;
	struct nn_tile tile = nn_layer_tile(layer);
	struct nn_arguments a;
	struct nn_tile_cost c;
	double compute, memory;

	*out = (struct nn_cost){ .bound = "host" };
	if (place == NN_ON_HOST) {
		/* A layer of values without elements takes some time, too: no time at all would be no plan. */
		out->seconds = fmax(host_seconds(program, layer, m), 1e-9) / nn_program_batch(program);
		return 0;
	}
	/* Files of bytes become floats by the table. */
	if (layer->kind == NN_LAYER_PACK && layer->pack.is_float && program->nr_mean && layer->lut_bytes)
		bytes.pack.is_float = false;
	if (nn_layer_arguments(program, &bytes, NULL, batch, 0, nn_layer_rows(program, layer), &a) ||
	    nn_tile_cost(layer->kind, program->shell, &a, &tile, &c))
		return -EINVAL;
	compute = (double)c.work / m->clock_hz;
	memory = (double)c.bytes / m->ddr_bytes_s;
	out->cycles = c.cycles / batch;
	out->ddr_bytes = c.bytes / batch;
	out->on_chip = c.on_chip;
	out->seconds = fmax((double)c.cycles / m->clock_hz, memory);
	out->bound = m->run_seconds > out->seconds ? "launch" : memory > compute ? "memory" : "compute";
	out->seconds = (out->seconds + m->run_seconds) / batch;
	return 0;
}
