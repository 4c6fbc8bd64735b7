package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// bom is a bill of materials as CycloneDX 1.6 has it: the part of that which a Go binary tells.
type bom struct {
	Format       string      `json:"bomFormat"`
	SpecVersion  string      `json:"specVersion"`
	SerialNumber string      `json:"serialNumber"`
	Version      int         `json:"version"`
	Metadata     metadata    `json:"metadata"`
	Components   []component `json:"components"`
}

type metadata struct {
	Timestamp  string     `json:"timestamp"`
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type component struct {
	Ref     string `json:"bom-ref"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hex
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbom lists what is in a binary, as the linker has noted it there: every module with the hash that go.sum has of it, Go's own
// library, and the settings of the build. The same binary gives the same text.
func sbom(binary []byte, version string, created time.Time) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	self := component{
		Type: "application", Name: info.Main.Path, Version: version, PURL: purl(info.Main.Path, version),
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	self.Ref = self.PURL
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	components := []component{{
		Ref: purl("std", goVersion), Type: "library", Name: "std", Version: goVersion, PURL: purl("std", goVersion),
	}}
	for _, dep := range info.Deps {
		c, err := library(dep)
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	settings := []property{{"go:version", info.GoVersion}}
	for _, s := range info.Settings {
		settings = append(settings, property{"go:build:" + s.Key, s.Value})
	}
	b := bom{
		Format: "CycloneDX", SpecVersion: "1.6", SerialNumber: serial(sum), Version: 1,
		Metadata:   metadata{Timestamp: created.Format(time.RFC3339), Component: self, Properties: settings},
		Components: components,
	}
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// library is a module that is in the binary; of a replaced one, what replaces it.
func library(m *debug.Module) (component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl(m.Path, m.Version)}
	c.Ref = c.PURL
	encoded, ok := strings.CutPrefix(m.Sum, "h1:") // SHA-256 over the hashes of the module's files
	if !ok {
		return c, fmt.Errorf("module %s has no hash that is known, but %q: is it replaced by a folder?", m.Path, m.Sum)
	}
	sum, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return c, fmt.Errorf("the hash of module %s: %w", m.Path, err)
	}
	c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	return c, nil
}

// purl names a module as package-url.org has it.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// serial is a UUID, of the version that is for a rule of one's own, out of a hash: the same binary has the same.
func serial(sum [sha256.Size]byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
