package app

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNeedsInDocs holds the table of permissions in docs/config.md to what is checked.
func TestNeedsInDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| ([^|`]+) \\| ((?:`\\w+:\\w+` ?)+) \\| ([^|`]+) \\|$")
	var told, needed []string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		for action := range strings.FieldsSeq(m[2]) {
			told = append(told, fmt.Sprintf("%s on %s: %s", strings.Trim(action, "`"), m[1], m[3]))
		}
	}
	for _, n := range needs {
		if n.action == inTransaction {
			continue
		}
		var roles []string
		for _, r := range n.roles {
			roles = append(roles, string(r))
		}
		needed = append(needed, fmt.Sprintf("%s on %s: %s", n.action, n.part, strings.Join(roles, ", ")))
	}
	slices.Sort(told)
	slices.Sort(needed)
	for _, line := range needed {
		if !slices.Contains(told, line) {
			t.Errorf("docs/config.md lacks %s", line)
		}
	}
	if len(told) != len(needed) {
		t.Errorf("docs/config.md tells of %d permissions, there are %d: %q", len(told), len(needed), told)
	}
}

// TestWhoArchivesMayCompare: a batch whose object is there already is written by whoever finds the same lines in it.
func TestWhoArchivesMayCompare(t *testing.T) {
	t.Parallel()
	writers := rolesOf(partArchive, "s3:PutObject", Roles(), true)
	if len(writers) == 0 {
		t.Error("nobody writes")
	}
	for _, role := range writers {
		if !Needed(role, string(partArchive), "s3:GetObject", true) {
			t.Errorf("%s writes objects and may not read them", role)
		}
	}
}

// Needed reports whether a role is said to need a permission, with or without a live side.
func Needed(r Role, p, action string, side bool) bool {
	return len(rolesOf(part(p), action, []Role{r}, side)) > 0
}
