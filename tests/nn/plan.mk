# SPDX-License-Identifier: BSD-2-Clause
# The planner, on networks that have shapes only. Included by tests/nn/module.mk. The second one is under the sanitizers, with fewer networks.
NN_PLAN_PARTS := tests/nn/test_plan tests/nn/shape_net tests/kernels/random
NN_PLAN_TESTS := $(B)/tests/nn/test_plan $(B)/san/tests/nn/test_plan

$(B)/tests/nn/test_plan: $(NN_PLAN_PARTS:%=$(B)/%.o) $$(LIB_OBJ)
	$(CC) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lm -o $@
$(B)/san/tests/nn/test_plan: $(NN_PLAN_PARTS:%=$(B)/san/%.o) $$(LIB_SAN)
	$(CC) $(SAN) $(LDFLAGS) $(sort $^) $(LIB_LIBS) -lm -o $@

TESTS += $(NN_PLAN_TESTS) tests/nn/plan.sh
