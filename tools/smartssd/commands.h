/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs of `smartssd`. argv[0] is the verb; the result is the process's exit status: 0, 1 (it did not work, the reason is on standard
 * error) or 2 (wrong usage). A verb is in main.c's table when its file is there.
 */
#ifndef SMARTSSD_COMMANDS_H
#define SMARTSSD_COMMANDS_H

int cmd_list(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_xclbin(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_conv2d(int argc, char **argv);
int cmd_lookup(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_compile(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_table(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_dlrm(int argc, char **argv);
int cmd_reset(int argc, char **argv);

#endif
