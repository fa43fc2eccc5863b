// SPDX-License-Identifier: BSD-2-Clause
/* Tests of the embedded card, each in a process of its own. */
#include "emu_test.h"

int main(void)
{
	Suite *suite = suite_create("emu");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tcase_open());
	suite_add_tcase(suite, tcase_job());
	suite_add_tcase(suite, tcase_io());
	suite_add_tcase(suite, tcase_share());
	suite_add_tcase(suite, tcase_fault());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
