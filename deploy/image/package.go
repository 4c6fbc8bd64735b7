package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// unit is the unit of all roles, in the sources and, below units, on a machine.
const (
	unit  = "deploy/systemd/reprise@.service"
	units = "etc/systemd/system/"
)

// readUnit reads the unit of the sources, in whichever folder of the module the program was started.
func (r *release) readUnit(ctx context.Context) ([]byte, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir = r.source
	list.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	root, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("finding the folder of module %s: %w", module, err)
	}
	return os.ReadFile(filepath.Join(string(bytes.TrimSpace(root)), unit))
}

// packed is the program and its unit for a machine with systemd: a tar.gz that is unpacked at /, as an instance of the stack
// does it. It has no folders, because unpacking one sets the owner and the mode of the machine's own.
func (r *release) packed(binary, service []byte) ([]byte, error) {
	var unpacked bytes.Buffer
	t := tar.NewWriter(&unpacked)
	if err := addFile(t, units+filepath.Base(unit), 0o644, service, r.created); err != nil {
		return nil, err
	}
	if err := addFile(t, "usr/local/bin/reprise", 0o755, binary, r.created); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return pack(unpacked.Bytes())
}
