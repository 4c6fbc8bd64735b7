package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
)

// unit is the unit of all roles, in the sources and, below units, on a machine.
const (
	unit  = "deploy/systemd/reprise@.service"
	units = "etc/systemd/system/"
)

// packed is the program and its unit for a machine with systemd: a tar.gz that is unpacked at /, as an instance of the stack
// does it. It has no folders, because unpacking one sets the owner and the mode of the machine's own.
func (r *release) packed(binary []byte) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(r.source, unit))
	if err != nil {
		return nil, err
	}
	var unpacked bytes.Buffer
	t := tar.NewWriter(&unpacked)
	if err := addFile(t, units+filepath.Base(unit), 0o644, content, r.created); err != nil {
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
