package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// checkPackage unpacks the package as an instance of the stack does, by the command that stands in the template, and holds what
// the instance and the unit then use against what is there.
func checkPackage(t *testing.T, b built) {
	t.Helper()
	content := b.files["reprise-linux-"+runtime.GOARCH+".tar.gz"]
	service := readText(t, "../systemd/reprise@.service")
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	checkEnd(t, plain)
	want := map[string]entry{
		"usr/local/bin/reprise":               {0o755, 0, 0, b.created, string(b.binary())},
		"etc/systemd/system/reprise@.service": {0o644, 0, 0, b.created, service},
	}
	if !reflect.DeepEqual(untar(t, bytes.NewReader(plain)), want) {
		t.Error("the package has other files than it should")
	}

	template := readText(t, "../cloudformation/reprise.yaml")
	unpack := found(t, template, `(?m)^ +aws s3 cp .*\$\{Ec2PackageKey\} - \| (tar .*) /$`)
	root := t.TempDir()
	shell := exec.CommandContext(t.Context(), "bash", "-c", unpack+" "+root)
	shell.Stdin = bytes.NewReader(content)
	if out, err := shell.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s: %v\n%s", unpack, err, out)
	}
	started := found(t, template, `(?m)^ +systemctl enable --now (\w+@)\w+\.service$`)
	unpacked := readText(t, filepath.Join(root, "etc/systemd/system", started+".service"))
	binary := filepath.Join(root, found(t, unpacked, `(?m)^ExecStart=(/\S+) %i$`))
	version, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(version), b.version) {
		t.Errorf("%s: %v\n%s", binary, err, version)
	}
	for _, file := range []string{found(t, unpacked, `(?m)^Environment=REPRISE_CONFIG=(/\S+)$`), found(t, unpacked, `(?m)^EnvironmentFile=-(/\S+/reprise\.env)$`)} {
		found(t, template, `(?m)^ +(?:aws|cat) .*>`+regexp.QuoteMeta(file)+`( |$)`)
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found is the group of a pattern that must match once.
func found(t *testing.T, text, pattern string) string {
	t.Helper()
	all := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(all) != 1 {
		t.Fatalf("%s: matches %d times, want once", pattern, len(all))
	}
	return all[0][1]
}
