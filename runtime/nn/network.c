// SPDX-License-Identifier: BSD-2-Clause
/* The public side of networks (libsmartssd_network.h) over programs and sessions. */
#include <unistd.h>

#include "plan.h"
#include "session.h"

struct smartssd_network {
	struct nn_program *program;
	int fd; /* its file; -1: weights are in memory */
};

static const char *const kinds[NN_LAYER_KINDS] = { "input", "conv", "depthwise", "pool", "add", "graph" };
static const char *const kernels[NN_LAYER_KINDS] = { "nn_pack", "nn_conv", "nn_depthwise", "nn_pool", "nn_add", "" };

static int no_memory(struct smartssd_error *err)
{
	return smartssd_fail(err, -ENOMEM, "no host memory for a network");
}

static int compile(const char *onnx, const struct smartssd_compile_options *o, struct nn_program **out, struct smartssd_error *err)
{
	struct nn_graph *graph = NULL;
	struct nn_machine machine;
	int ret = nn_graph_load(onnx, o->batch ? o->batch : 1, &graph, err);

	if (!ret)
		ret = nn_lower(graph, o->shell == SMARTSSD_OVERLAY_DFX ? NN_SHELL_DFX : NN_SHELL_FLAT, out, err);
	nn_graph_free(graph);
	if (ret)
		return ret;
	nn_machine_default(&machine);
	machine.host_macs_s = o->host_macs_s;
	return nn_plan(*out, o->cards ? o->cards : 1, &machine, err);
}

int smartssd_network_compile(const char *onnx, const struct smartssd_compile_options *options, struct smartssd_network **out, struct smartssd_error *err)
{
	static const struct smartssd_compile_options defaults;
	const struct smartssd_compile_options *o = options ? options : &defaults;
	struct smartssd_network *n;
	int ret;

	*out = NULL;
	if (o->cards > NN_MAX_CARDS || o->shell > SMARTSSD_OVERLAY_DFX || !(o->host_macs_s >= 0) || o->batch > 65535)
		return smartssd_fail(err, -EINVAL, "compile options: at most %u cards, a batch of 65535, overlay 0 or 1, a host of 0 or more MAC/s", NN_MAX_CARDS);
	n = calloc(1, sizeof(*n));
	if (!n)
		return no_memory(err);
	n->fd = -1;
	ret = compile(onnx, o, &n->program, err);
	if (ret)
		smartssd_network_close(n);
	else
		*out = n;
	return ret;
}

int smartssd_network_save(const struct smartssd_network *network, const char *path, struct smartssd_error *err)
{
	return nn_ssp_save(network->program, path, err);
}

int smartssd_network_open(const char *path, uint32_t flags, struct smartssd_network **out, struct smartssd_error *err)
{
	struct smartssd_network *n;
	int ret;

	*out = NULL;
	if (flags & ~SMARTSSD_NETWORK_WEIGHTS)
		return smartssd_fail(err, -EINVAL, "%s: flags 0x%x: only SMARTSSD_NETWORK_WEIGHTS", path, flags);
	n = calloc(1, sizeof(*n));
	if (!n)
		return no_memory(err);
	n->fd = -1;
	ret = nn_ssp_load(path, flags & SMARTSSD_NETWORK_WEIGHTS, &n->program, &n->fd, err);
	if (ret)
		smartssd_network_close(n);
	else
		*out = n;
	return ret;
}

void smartssd_network_close(struct smartssd_network *network)
{
	if (!network)
		return;
	if (network->program)
		nn_program_free(network->program);
	if (network->fd >= 0)
		close(network->fd);
	free(network);
}

static uint64_t layer_macs(const struct nn_layer *l)
{
	return l->kind == NN_LAYER_CONV ? l->conv.macs : l->kind == NN_LAYER_DEPTHWISE ? l->depthwise.macs : 0;
}

static bool on_card(const struct nn_layer *l)
{
	return l->kind != NN_LAYER_GRAPH && l->place == NN_ON_CARD;
}

void smartssd_network_info(const struct smartssd_network *network, struct smartssd_network_info *out)
{
	const struct nn_program *p = network->program;
	struct nn_machine machine;
	struct nn_total total;

	*out = (struct smartssd_network_info){
		.name = p->name,
		.plan = p->decision,
		.xclbin = p->shell == NN_SHELL_DFX ? "overlay-dfx.xclbin" : "overlay-flat.xclbin",
		.kernel = kernels[NN_LAYER_PACK],
		.shell = p->shell == NN_SHELL_DFX ? SMARTSSD_OVERLAY_DFX : SMARTSSD_OVERLAY_FLAT,
		.cards = p->cards,
		.spread = p->spread,
		.inputs = p->nr_inputs,
		.outputs = p->nr_outputs,
		.layers = p->nr_layers,
		.batch = p->nr_inputs ? nn_program_batch(p) : 1,
		.weights_bytes = p->weights_bytes,
	};
	for (uint32_t i = p->nr_layers; i-- > 0;) {
		out->macs += layer_macs(&p->layers[i]);
		out->on_card += on_card(&p->layers[i]);
		if (on_card(&p->layers[i]))
			out->kernel = kernels[p->layers[i].kind];
	}
	nn_machine_default(&machine);
	if (!nn_plan_total(p, p->cards, &machine, &total))
		out->modelled_seconds = total.seconds;
}

static uint32_t array_type(enum nn_type type)
{
	switch (type) {
	case NN_I1:
		return SMARTSSD_I1;
	case NN_I4:
		return SMARTSSD_I4;
	case NN_I8:
		return SMARTSSD_I8;
	case NN_F4:
		return SMARTSSD_F4;
	default:
		return SMARTSSD_U1; /* of bytes, or of bool */
	}
}

static int tensor(const struct nn_program *p, uint32_t value, uint64_t images, struct smartssd_tensor *out)
{
	const struct nn_value *v = &p->values[value];
	struct smartssd_array *a = &out->array;
	uint64_t batch = nn_program_batch(p);

	*out = (struct smartssd_tensor){ .name = v->name, .array = { .type = array_type(v->type), .ndim = v->dims.n ? v->dims.n : 1, .shape = { 1 } } };
	if (images % batch || v->dims.n > SMARTSSD_MAX_DIMS)
		return -EINVAL;
	for (uint32_t i = 0; i < v->dims.n; i++)
		a->shape[i] = (uint64_t)v->dims.d[i];
	if (__builtin_mul_overflow(a->shape[0], images / batch, &a->shape[0]))
		return -EOVERFLOW;
	a->bytes = smartssd_type_bytes(a->type);
	for (uint32_t i = 0; i < a->ndim; i++)
		if (__builtin_mul_overflow(a->bytes, a->shape[i], &a->bytes))
			return -EOVERFLOW;
	return 0;
}

int smartssd_network_input(const struct smartssd_network *network, uint64_t images, struct smartssd_tensor *out)
{
	const struct nn_program *p = network->program;
	int ret;

	if (p->nr_inputs != 1)
		return -EOPNOTSUPP;
	ret = tensor(p, p->inputs[0], images, out);
	if (p->values[p->inputs[0]].type != NN_F4)
		return ret;
	out->means = p->nr_mean;
	out->scale = p->input_scale;
	memcpy(out->mean, p->mean, sizeof(out->mean));
	memcpy(out->std, p->std, sizeof(out->std));
	return ret;
}

int smartssd_network_output(const struct smartssd_network *network, uint32_t i, uint64_t images, struct smartssd_tensor *out)
{
	const struct nn_program *p = network->program;

	return i < p->nr_outputs && p->nr_inputs ? tensor(p, p->outputs[i], images, out) : -ERANGE;
}

int smartssd_network_layer(const struct smartssd_network *network, uint32_t i, struct smartssd_layer *out)
{
	const struct nn_program *p = network->program;
	const struct nn_layer *l;
	bool piece;

	if (i >= p->nr_layers)
		return -ERANGE;
	l = &p->layers[i];
	piece = l->kind == NN_LAYER_GRAPH;
	*out = (struct smartssd_layer){
		.name = l->name,
		.kind = kinds[l->kind],
		.output = piece ? "" : p->values[l->out].name,
		.why = piece && *l->why_host ? l->why_host : l->why,
		.on_host = !on_card(l),
		.card = l->card,
		.macs = layer_macs(l),
	};
	return 0;
}

int smartssd_session_open(struct smartssd_device *const *devices, uint32_t nr, const struct smartssd_network *network,
			  const struct smartssd_session_options *options, struct smartssd_session **out, struct smartssd_error *err)
{
	static const struct smartssd_session_options defaults;

	return nn_session_open(devices, nr, network->program, network->fd, options ? options : &defaults, out, err);
}
