package worker

import "testing"

func TestLastReason(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "its workers died",
		"opening dns/a: denied":           "opening dns/a: denied",
		"no progress in 5 attempts: x: y": "x: y",
		"no progress in 5 attempts: no progress in 3 attempts: z": "z",
		"after 5 attempts: still down":                            "after 5 attempts: still down",
	} {
		if got := lastReason(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}
