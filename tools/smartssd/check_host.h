/* SPDX-License-Identifier: BSD-2-Clause */
/* What peer DMA needs from this host, whether or not a card is there. */
#ifndef SMARTSSD_CHECK_HOST_H
#define SMARTSSD_CHECK_HOST_H

#include "json.h"
#include "topology.h"

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

struct acs_port {
	char bdf[16];
	int redirects; /* as of pci_acs_redirects() */
};

#define MAX_ACS_PORTS 64

struct host {
	char release[80];
	char config[128];    /* the file that says it, "" when there is none */
	enum answer p2pdma;  /* CONFIG_PCI_P2PDMA */
	bool module;	     /* smartssd.ko is loaded */
	struct pci_function *fpga;
	int nr_fpga;
	struct acs_port acs[MAX_ACS_PORTS]; /* downstream ports of switches with an FPGA */
	unsigned nr_acs;
};

void host_look(struct host *host);
void host_release(struct host *host);
/* Is there a user function that our driver does not have? */
bool host_unbound(const struct host *host);
void host_print(const struct host *host);
void host_json(const struct host *host, struct json *j);

#endif
