package cmd

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/config"
)

// amazonRoot is Amazon Root CA 3, which AWS's own certificates may end at.
const amazonRoot = `-----BEGIN CERTIFICATE-----
MIIBtjCCAVugAwIBAgITBmyf1XSXNmY/Owua2eiedgPySjAKBggqhkjOPQQDAjA5
MQswCQYDVQQGEwJVUzEPMA0GA1UEChMGQW1hem9uMRkwFwYDVQQDExBBbWF6b24g
Um9vdCBDQSAzMB4XDTE1MDUyNjAwMDAwMFoXDTQwMDUyNjAwMDAwMFowOTELMAkG
A1UEBhMCVVMxDzANBgNVBAoTBkFtYXpvbjEZMBcGA1UEAxMQQW1hem9uIFJvb3Qg
Q0EgMzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCmXp8ZBf8ANm+gBG1bG8lKl
ui2yEujSLtf6ycXYqm0fc4E7O5hrOXwzpcVOho6AF2hiRVd9RFgdszflZwjrZt6j
QjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgGGMB0GA1UdDgQWBBSr
ttvXBp43rDCGB5Fwx5zEGbF4wDAKBggqhkjOPQQDAgNJADBGAiEA4IWSoxe3jfkr
BqWTrBqYaGFy+uGh0PsceGCmQ5nFuMQCIQCcAu/xlJyzlvnrxir4tiz+OpAUFteM
YyRIHN8wfdVoOw==
-----END CERTIFICATE-----
`

// TestRootsInside: where the machine knows no authority, the program trusts its own as soon as it knows that it will speak to AWS. What a process takes for the machine's
// roots it reads once, so that another process has to try.
func TestRootsInside(t *testing.T) {
	t.Parallel()
	if os.Getenv("SSL_CERT_FILE") != os.DevNull {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRootsInside$", "-test.v")
		child.Env = append(os.Environ(), "SSL_CERT_FILE="+os.DevNull, "SSL_CERT_DIR="+os.DevNull)
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	e := &environment{commands: &commands{Config: filepath.Join(t.TempDir(), "reprise.yaml")}}
	text := strings.Replace(config.Sample(), "\nbackend: local", "\nbackend: aws\naws: {bucket: logs}", 1)
	if err := os.WriteFile(e.commands.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.load(); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(amazonRoot))
	if block == nil {
		t.Fatal("the certificate is no PEM")
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Verify(x509.VerifyOptions{CurrentTime: root.NotBefore}); err != nil {
		t.Error(err)
	}
}
