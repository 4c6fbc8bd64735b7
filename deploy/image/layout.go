package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// user is who the image's process is: not root, and nobody else on the machine. The number is that of other images without a
// user database, where it is called nonroot.
const user = "65532:65532"

// image is an OCI image for several architectures, in memory. Its order is that of the calls of add.
type image struct {
	created     time.Time
	tag         string
	annotations map[string]string
	config      []byte // content of /reprise.yaml; nil: none
	blobs       map[digest.Digest][]byte
	manifests   []v1.Descriptor
}

func newImage(r *release) *image {
	annotations := map[string]string{
		v1.AnnotationTitle:       "Reprise",
		v1.AnnotationDescription: "Rebuilds the statistics of a log pipeline from its archive, exactly once.",
		v1.AnnotationSource:      "https://" + module,
		v1.AnnotationLicenses:    "Apache-2.0",
		v1.AnnotationVersion:     r.version,
		v1.AnnotationCreated:     r.created.Format(time.RFC3339),
	}
	if r.revision != "" {
		annotations[v1.AnnotationRevision] = r.revision
	}
	return &image{created: r.created, tag: tag(r.version), annotations: annotations, blobs: map[digest.Digest][]byte{}}
}

// tag is a version as a name in a registry may be.
func tag(version string) string {
	allowed := func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r)) {
			return r
		}
		return '-'
	}
	return strings.Map(allowed, version)
}

// add puts an architecture's binary in.
func (i *image) add(arch string, binary []byte) error {
	config := v1.Image{
		Created:  &i.created,
		Platform: v1.Platform{Architecture: arch, OS: "linux"},
		Config: v1.ImageConfig{
			User: user, Entrypoint: []string{"/reprise"}, WorkingDir: "/", StopSignal: "SIGTERM", Labels: i.annotations,
			Env: []string{"PATH=/"}, // so that a health check may say reprise
		},
		RootFS: v1.RootFS{Type: "layers"},
	}
	var layers []v1.Descriptor
	layer := func(name string, mode int64, content []byte) error {
		packed, plain, err := i.layer(name, mode, content)
		if err != nil {
			return err
		}
		layers = append(layers, i.blob(v1.MediaTypeImageLayerGzip, packed))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, plain)
		config.History = append(config.History, v1.History{Created: &i.created, CreatedBy: "COPY " + name + " /" + name})
		return nil
	}
	if err := layer("reprise", 0o555, binary); err != nil {
		return err
	}
	if i.config != nil {
		if err := layer("reprise.yaml", 0o444, i.config); err != nil {
			return err
		}
	}
	described, err := i.json(v1.MediaTypeImageConfig, config)
	if err != nil {
		return err
	}
	manifest, err := i.json(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: described, Layers: layers, Annotations: i.annotations,
	})
	if err != nil {
		return err
	}
	manifest.Platform = &config.Platform
	i.manifests = append(i.manifests, manifest)
	return nil
}

// layer is a layer of one file, and the digest of what it unpacks to.
func (i *image) layer(name string, mode int64, content []byte) (packed []byte, plain digest.Digest, err error) {
	var unpacked bytes.Buffer
	t := tar.NewWriter(&unpacked)
	if err := addFile(t, name, mode, content, i.created); err != nil {
		return nil, "", err
	}
	if err := t.Close(); err != nil {
		return nil, "", err
	}
	packed, err = pack(unpacked.Bytes())
	return packed, digest.FromBytes(unpacked.Bytes()), err
}

// pack is gzip, whose header has no time and no name here.
func pack(content []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// addFile writes a file that belongs to root, with nothing in its header that another machine or day would change.
func addFile(t *tar.Writer, name string, mode int64, content []byte, created time.Time) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: created, Format: tar.FormatUSTAR,
	}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

// blob keeps content under its digest.
func (i *image) blob(mediaType string, content []byte) v1.Descriptor {
	d := digest.FromBytes(content)
	i.blobs[d] = content
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

func (i *image) json(mediaType string, v any) (v1.Descriptor, error) {
	content, err := json.Marshal(v)
	return i.blob(mediaType, content), err
}

// archive is the whole as a tar: a layout of the OCI image specification, whose one image has a manifest for each architecture.
func (i *image) archive() ([]byte, error) {
	index := v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
		Manifests: i.manifests, Annotations: i.annotations,
	}
	all, err := i.json(v1.MediaTypeImageIndex, index)
	if err != nil {
		return nil, err
	}
	all.Annotations = map[string]string{v1.AnnotationRefName: i.tag}
	top, err := json.Marshal(v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{all},
	})
	if err != nil {
		return nil, err
	}
	layout, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	files := map[string][]byte{v1.ImageLayoutFile: layout, v1.ImageIndexFile: top}
	for d, content := range i.blobs {
		files[v1.ImageBlobsDir+"/"+d.Algorithm().String()+"/"+d.Encoded()] = content
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := addFile(t, name, 0o644, files[name], i.created); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
