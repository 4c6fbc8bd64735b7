package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	module  = "github.com/seed-56345083/reprise"
	program = module + "/cmd/reprise"
)

// release is what is built, and of what.
type release struct {
	source        string    // folder of the module
	out           string    // folder
	version       string    // what `reprise version` says, and the image's tag
	revision      string    // the commit; may be empty
	created       time.Time // that everything bears
	config        string    // file that the image has as /reprise.yaml; may be empty
	architectures []string  // as Go names them
}

// file is one that was written.
type file struct {
	name string
	size int
	sum  string // SHA-256 in hex
}

// make builds everything and returns what it wrote, in the order of writing.
func (r *release) make(ctx context.Context) ([]file, error) {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return nil, err
	}
	var files []file
	write := func(name string, content []byte, mode os.FileMode) error {
		sum := sha256.Sum256(content)
		files = append(files, file{name, len(content), hex.EncodeToString(sum[:])})
		return replace(filepath.Join(r.out, name), content, mode)
	}
	img := newImage(r)
	if r.config != "" {
		content, err := os.ReadFile(r.config)
		if err != nil {
			return nil, err
		}
		img.config = content
	}
	service, err := r.readUnit(ctx)
	if err != nil {
		return nil, err
	}
	for _, arch := range r.architectures {
		name := "reprise-linux-" + arch
		binary, err := r.compile(ctx, arch)
		if err != nil {
			return files, fmt.Errorf("compiling for %s: %w", arch, err)
		}
		bill, err := sbom(binary, r.version, r.created)
		if err != nil {
			return files, fmt.Errorf("listing the modules of %s: %w", name, err)
		}
		if err := img.add(arch, binary); err != nil {
			return files, fmt.Errorf("packing %s: %w", name, err)
		}
		machine, err := r.packed(binary, service)
		if err != nil {
			return files, fmt.Errorf("packing %s with its unit: %w", name, err)
		}
		if err := write(name, binary, 0o755); err != nil {
			return files, err
		}
		if err := write(name+".tar.gz", machine, 0o644); err != nil {
			return files, err
		}
		if err := write(name+".cdx.json", bill, 0o644); err != nil {
			return files, err
		}
	}
	archive, err := img.archive()
	if err != nil {
		return files, fmt.Errorf("writing the image: %w", err)
	}
	if err := write("reprise.oci.tar", archive, 0o644); err != nil {
		return files, err
	}
	var sums bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&sums, "%s  %s\n", f.sum, f.name)
	}
	return files, write("SHA256SUMS", sums.Bytes(), 0o644)
}

// compile builds the program. What the machine's settings could change about it is set here: its paths are left out, so is what
// git knows, and the instructions are those that every processor of the architecture has.
func (r *release) compile(ctx context.Context, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "reprise-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target := filepath.Join(dir, "reprise")
	flags := "-s -w -buildid= -X " + module + "/cmd.version=" + r.version
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", target, program)
	build.Dir = r.source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return os.ReadFile(target)
}

// replace writes a file under its name when it is complete, so that a stopped run leaves no half of one.
func replace(name string, content []byte, mode os.FileMode) error {
	unfinished := name + ".new"
	if err := os.WriteFile(unfinished, content, mode); err != nil {
		return err
	}
	if err := os.Chmod(unfinished, mode); err != nil { // whatever the umask
		return err
	}
	return os.Rename(unfinished, name)
}
