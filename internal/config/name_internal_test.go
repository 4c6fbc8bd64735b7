package config

import (
	"strings"
	"testing"
)

// TestNames: what the services allow, at both ends of each range.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule     string
		is       func(string) bool
		fit, not []string
	}{
		{"protocol", validName, []string{"a", "Z9_.-", strings.Repeat("x", 64)}, []string{"", "a b", "ä", "a\n", "\xff", strings.Repeat("x", 65)}},
		{"queue", isQueue, []string{"q", "Q_-0", strings.Repeat("x", 80)}, []string{"", "q.fifo", strings.Repeat("x", 81)}},
		{"table", isTable, []string{"abc", "A_.", strings.Repeat("x", 255)}, []string{"", "ab", "a/c", strings.Repeat("x", 256)}},
		{"stack", isStack, []string{"s", "9_.-", strings.Repeat("x", 128)}, []string{"", "-s", "_s", ".s", "s/", strings.Repeat("x", 129)}},
		{
			"bucket", isBucket, []string{"abc", "a.b-9", strings.Repeat("x", 63)},
			[]string{"", "ab", "abC", ".bc", "ab-", "a_c", strings.Repeat("x", 64)},
		},
	} {
		for _, s := range c.fit {
			if !c.is(s) {
				t.Errorf("%s %q is refused", c.rule, s)
			}
		}
		for _, s := range c.not {
			if c.is(s) {
				t.Errorf("%s %q is taken", c.rule, s)
			}
		}
	}
}
