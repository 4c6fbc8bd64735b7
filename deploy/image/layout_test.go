package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"testing"
	"time"
)

// entry is a file of a tar archive.
type entry struct {
	mode     int64
	uid, gid int
	when     time.Time
	content  string
}

// untar reads an archive that holds nothing but files.
func untar(t *testing.T, r io.Reader) map[string]entry {
	t.Helper()
	files := map[string]entry{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[header.Name]; twice || header.Typeflag != tar.TypeReg {
			t.Errorf("%s is of type %q, or there twice: %t", header.Name, header.Typeflag, twice)
		}
		files[header.Name] = entry{header.Mode, header.Uid, header.Gid, header.ModTime.UTC(), string(content)}
	}
}

// checkEnd: a tar archive ends with two blocks of zeros, whose lack some programs take for a file that was cut off.
func checkEnd(t *testing.T, archive []byte) {
	t.Helper()
	if !bytes.HasSuffix(archive, make([]byte, 1024)) {
		t.Error("the archive has no end")
	}
}

// descriptor is what names a blob.
type descriptor struct {
	MediaType, Digest string
	Size              int
	Platform          struct{ Architecture, OS string }
	Annotations       map[string]string
}

// pile is the blobs of an image; take gives each once.
type pile map[string]entry

func (p pile) take(t *testing.T, d descriptor, mediaType string) []byte {
	t.Helper()
	blob, ok := p["blobs/sha256/"+d.Digest[len("sha256:"):]]
	content := []byte(blob.content)
	if !ok || d.Digest != "sha256:"+hexSum(content) || d.Size != len(content) || d.MediaType != mediaType {
		t.Fatalf("%+v is there: %t, with %d bytes and the sum %s; want a %s", d, ok, len(content), hexSum(content), mediaType)
	}
	delete(p, "blobs/sha256/"+hexSum(content))
	return content
}

func parse[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// checkImage reads the image as a registry and a runtime do: every blob is what its name says and is used, and the process gets
// the binary and the configuration, and nothing else.
func checkImage(t *testing.T, b built) {
	t.Helper()
	checkEnd(t, b.files["reprise.oci.tar"])
	files := pile(untar(t, bytes.NewReader(b.files["reprise.oci.tar"])))
	if got := files["oci-layout"].content; got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	type index struct{ Manifests []descriptor }
	const indexType = "application/vnd.oci.image.index.v1+json"
	top := parse[index](t, []byte(files["index.json"].content))
	delete(files, "oci-layout")
	delete(files, "index.json")
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3-4" {
		t.Fatalf("the archive has the images %+v", top)
	}
	all := parse[index](t, files.take(t, top.Manifests[0], indexType))
	if len(all.Manifests) != 1 || all.Manifests[0].Platform.Architecture != runtime.GOARCH || all.Manifests[0].Platform.OS != "linux" {
		t.Fatalf("the image has the manifests %+v", all)
	}
	manifest := parse[struct {
		Config descriptor
		Layers []descriptor
	}](t, files.take(t, all.Manifests[0], "application/vnd.oci.image.manifest.v1+json"))
	config := parse[struct {
		Created          time.Time
		Architecture, OS string
		Config           map[string]any
		RootFS           struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}](t, files.take(t, manifest.Config, "application/vnd.oci.image.config.v1+json"))
	if config.Architecture != runtime.GOARCH || config.OS != "linux" || !config.Created.Equal(b.created) {
		t.Errorf("the image is made for %s/%s at %v", config.OS, config.Architecture, config.Created)
	}
	for key, want := range map[string]any{
		"User": "65532:65532", "Entrypoint": []any{"/reprise"}, "WorkingDir": "/", "Env": []any{"PATH=/"}, "Cmd": nil, "Volumes": nil,
	} {
		if got := config.Config[key]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	want := []map[string]entry{
		{"reprise": {0o555, 0, 0, b.created, string(b.binary())}},
		{"reprise.yaml": {0o444, 0, 0, b.created, b.config}},
	}
	if len(manifest.Layers) != len(want) || len(config.RootFS.DiffIDs) != len(want) {
		t.Fatalf("there are %d layers and %d digests of them", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	for i, layer := range manifest.Layers {
		z, err := gzip.NewReader(bytes.NewReader(files.take(t, layer, "application/vnd.oci.image.layer.v1.tar+gzip")))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if got := "sha256:" + hexSum(plain); got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d is %s, the configuration says %s", i, got, config.RootFS.DiffIDs[i])
		}
		checkEnd(t, plain)
		if got := untar(t, bytes.NewReader(plain)); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("layer %d has other files than it should", i)
		}
	}
	if len(files) > 0 {
		t.Errorf("%d files of the archive belong to nothing", len(files))
	}
}
