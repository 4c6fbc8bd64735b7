package realservers_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// patience is how long a test waits for what must happen soon on an idle machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "unmanaged" {
		os.Exit(m.Run())
	}
	realservers.Main(m)
}

func TestUniqueIsValidForEveryService(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$`)
	seen := map[string]bool{}
	for _, prefix := range []string{"", "dlq", t.Name() + "/Sub Test", "---", "ünïcode", strings.Repeat("long-", 20), "_a_"} {
		for range 2 {
			name := realservers.Unique(t, prefix)
			if !valid.MatchString(name) {
				t.Errorf("prefix %q gives %q", prefix, name)
			}
			if seen[name] {
				t.Errorf("%q came twice", name)
			}
			seen[name] = true
		}
	}
}

func TestEnvironKeepsTheMachinesSettingsOut(t *testing.T) {
	t.Setenv("AWS_PROFILE", "somebody")
	t.Setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid")
	t.Setenv("AWS_SESSION_TOKEN", "of-another-account")
	env := realservers.Environ()
	for _, v := range env {
		for _, out := range []string{"AWS_PROFILE=", "AWS_ENDPOINT_URL=", "AWS_SESSION_TOKEN="} {
			if strings.HasPrefix(v, out) {
				t.Errorf("%s is still there", v)
			}
		}
	}
	for _, in := range []string{"AWS_ACCESS_KEY_ID=" + realservers.AccessKey, "AWS_EC2_METADATA_DISABLED=true", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, in) {
			t.Errorf("%s is missing", in)
		}
	}
}
