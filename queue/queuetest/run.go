package queuetest

import "testing"

// Run runs the suite as parallel subtests of t.
func Run(t *testing.T, h Harness) {
	for name, test := range map[string]func(*fixture){
		"SendReceiveDelete":       testSendReceiveDelete,
		"Bodies":                  testBodies,
		"BatchOfTen":              testBatchOfTen,
		"Limits":                  testLimits,
		"Delay":                   testDelay,
		"LongPollEndsEarly":       testLongPollEndsEarly,
		"LongPollSeesDelayEnd":    testLongPollSeesDelayEnd,
		"LongPollEmpty":           testLongPollEmpty,
		"LongPollCancelled":       testLongPollCancelled,
		"ContextEnded":            testContextEnded,
		"Redelivery":              testRedelivery,
		"Extend":                  testExtend,
		"GiveBack":                testGiveBack,
		"StaleAfterRedelivery":    testStaleAfterRedelivery,
		"StaleAfterDelete":        testStaleAfterDelete,
		"StaleAfterGiveBack":      testStaleAfterGiveBack,
		"UnknownReceipt":          testUnknownReceipt,
		"BatchErrorNamesEntries":  testBatchErrorNamesEntries,
		"MaxVisibility":           testMaxVisibility,
		"Redrive":                 testRedrive,
		"RedriveOnlyTheDead":      testRedriveOnlyTheDead,
		"Counts":                  testCounts,
		"MoveBack":                testMoveBack,
		"MoveDecides":             testMoveDecides,
		"MoveLimit":               testMoveLimit,
		"MoveErrorGivesBack":      testMoveErrorGivesBack,
		"EachMessageOnceWhenHeld": testEachMessageOnceWhenHeld,
		"SendersAndReceivers":     testSendersAndReceivers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(open(t, h))
		})
	}
}
