package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// built is a release of this machine's architecture.
type built struct {
	files           map[string][]byte
	version, config string
	created         time.Time
}

func (b built) binary() []byte { return b.files["reprise-linux-"+runtime.GOARCH] }

// TestRelease builds a release twice, from copies of the sources in two folders, and looks at what came of it.
func TestRelease(t *testing.T) {
	t.Parallel()
	first, second := build(t), build(t)
	binary := "reprise-linux-" + runtime.GOARCH
	want := []string{"SHA256SUMS", binary, binary + ".cdx.json", binary + ".tar.gz", "reprise.oci.tar"}
	if got := slices.Sorted(maps.Keys(first.files)); !slices.Equal(got, want) {
		t.Fatalf("the files are %q, want %q", got, want)
	}
	for _, name := range want {
		if !bytes.Equal(first.files[name], second.files[name]) {
			t.Errorf("%s is not the same when it is built again", name)
		}
	}
	checkSums(t, first)
	checkBinary(t, first)
	checkBill(t, first)
	checkImage(t, first)
	checkPackage(t, first)
}

// build builds a release in a folder of its own.
func build(t *testing.T) built {
	t.Helper()
	b := built{version: "v1.2.3+4", config: "protocols: {}\n", created: time.Unix(1_700_000_000, 0).UTC(), files: map[string][]byte{}}
	dir := t.TempDir()
	config := filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(config, []byte(b.config), 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{
		source: filepath.Join(dir, "source"), out: filepath.Join(dir, "out"), version: b.version, revision: "abc",
		created: b.created, config: config, architectures: []string{runtime.GOARCH},
	}
	copySources(t, r.source)
	if _, err := r.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(r.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if b.files[e.Name()], err = os.ReadFile(filepath.Join(r.out, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// copySources copies what the program is built of.
func copySources(t *testing.T, to string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "docs", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o750)
		case !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkSums: the sums are those of all other files.
func checkSums(t *testing.T, b built) {
	t.Helper()
	var want []string
	for name, content := range b.files {
		if name != "SHA256SUMS" {
			want = append(want, hexSum(content)+"  "+name)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(strings.Lines(string(b.files["SHA256SUMS"]))); strings.Join(got, "") != strings.Join(want, "\n")+"\n" {
		t.Errorf("the sums are\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(want, "\n"))
	}
}

func hexSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// checkBinary: it needs no other file to run, and knows no folder of the machine that built it.
func checkBinary(t *testing.T, b built) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b.binary()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a segment %v: it is linked at run time", p.Type)
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{os.TempDir(), filepath.Join(home, "go")} {
		if bytes.Contains(b.binary(), []byte(folder+"/")) {
			t.Errorf("the binary knows the folder %s", folder)
		}
	}
}

// checkBill holds the SBOM against what go version -m says is in the binary.
func checkBill(t *testing.T, b built) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "reprise")
	if err := os.WriteFile(file, b.binary(), 0o600); err != nil {
		t.Fatal(err)
	}
	listed, err := exec.CommandContext(t.Context(), "go", "version", "-m", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"std " + strings.TrimPrefix(runtime.Version(), "go")}
	for line := range strings.Lines(string(listed)) {
		if f := strings.Fields(line); f[0] == "dep" {
			want = append(want, f[1]+" "+f[2])
		}
	}
	var bill struct {
		BOMFormat, SpecVersion, SerialNumber string
		Metadata                             struct {
			Timestamp string
			Component struct {
				Version string
				Hashes  []struct{ Alg, Content string }
			}
		}
		Components []struct {
			Name, Version, PURL string
			Hashes              []struct{ Alg, Content string }
		}
	}
	if err := json.Unmarshal(b.files["reprise-linux-"+runtime.GOARCH+".cdx.json"], &bill); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range bill.Components {
		got = append(got, c.Name+" "+c.Version)
		if c.Name != "std" && (len(c.Hashes) != 1 || c.Hashes[0].Alg != "SHA-256" || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s has the hashes %v", c.Name, c.Hashes)
		}
		if want := "pkg:golang/" + c.Name + "@"; !strings.HasPrefix(c.PURL, want) {
			t.Errorf("%s is called %q, want %s…", c.Name, c.PURL, want)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("the SBOM lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	self := bill.Metadata.Component
	if self.Version != b.version || len(self.Hashes) != 1 || self.Hashes[0].Content != hexSum(b.binary()) {
		t.Errorf("the SBOM is of %+v", self)
	}
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Metadata.Timestamp != b.created.Format(time.RFC3339) {
		t.Errorf("the SBOM begins with %q %q %q", bill.BOMFormat, bill.SpecVersion, bill.Metadata.Timestamp)
	}
}

// TestRefused: what cannot be built is one error, and nothing is left that looks like a release.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		epoch string
		code  int
		want  string
	}{
		{[]string{"-arch"}, "", 2, "flag needs an argument"},
		{[]string{"all"}, "", 2, `"all" is no flag`},
		{nil, "yesterday", 2, `SOURCE_DATE_EPOCH: "yesterday"`},
		{[]string{"-config", "gone.yaml"}, "0", 1, "gone.yaml"},
		{[]string{"-arch", "abacus"}, "0", 1, "compiling for abacus"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		var stdout, stderr bytes.Buffer
		code := run(append([]string{"-o", out}, c.args...), func(string) string { return c.epoch }, &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d and %q, want %d and %q", c.args, code, &stderr, c.code, c.want)
		}
		if files, _ := filepath.Glob(filepath.Join(out, "*")); len(files) > 0 {
			t.Errorf("%q leaves %q", c.args, files)
		}
	}
}

// TestTag: a version is a tag that registries take.
func TestTag(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"v1.2.3+4": "v1.2.3-4", "v1-2-gabc-dirty": "v1-2-gabc-dirty", "ü/x": "--x"} {
		if got := tag(version); got != want {
			t.Errorf("the tag of %s is %s, want %s", version, got, want)
		}
	}
}
