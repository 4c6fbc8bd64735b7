// Command image builds what a release of the program is: a static binary for each architecture, a package of each with the unit
// for systemd, an SBOM of each, and an image of nothing but the binary. It needs Go alone: no Docker, no daemon, no rights.
//
//	go run ./deploy/image -version v1.2.3 -o bin/image
//
// It writes, with amd64 and arm64 for ARCH:
//
//	reprise-linux-ARCH            the binary
//	reprise-linux-ARCH.tar.gz     the binary and deploy/systemd's unit, to be unpacked at /
//	reprise-linux-ARCH.cdx.json   its SBOM, as CycloneDX
//	reprise.oci.tar               the image for all architectures, an OCI archive as skopeo, buildah and podman read it
//	SHA256SUMS                    of all of these
//
// Two runs over the same sources with the same arguments, SOURCE_DATE_EPOCH and release of Go write the same bytes, whatever the
// folder, the machine and the time: see docs/operations.md.
package main
