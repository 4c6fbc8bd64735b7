package queuetest

import (
	"testing"

	"github.com/seed-56345083/reprise/internal/suites"
)

// Run runs the suite as parallel subtests of t.
func Run(t *testing.T, h Harness) {
	suite := suites.Begin(t, "queue", h.Driver)
	for name, test := range map[string]func(*fixture){
		"SendReceiveDelete":       testSendReceiveDelete,
		"Bodies":                  testBodies,
		"BatchOfTen":              testBatchOfTen,
		"Trace":                   testTrace,
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
			suite.Test(t)
			test(open(t, h))
		})
	}
}
