package realservers

import (
	"crypto/rand"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The SDK keeps ten idle connections to a host, too few for a pool of workers that all talk to one.
const idleConnections = 256

// Config returns what a client of any of the servers needs but its endpoint (BaseEndpoint; for S3 UsePathStyle too): region,
// credentials, the standard retryer and a pool of connections that is closed at the end of the test.
func Config(t testing.TB) aws.Config {
	t.Helper()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     time.Minute,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region:      Region,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
		HTTPClient:  &http.Client{Transport: transport},
		Retryer:     func() aws.Retryer { return retry.NewStandard() },
	}
}

// Environ returns the environment of this process for a child process that talks to the servers: their credentials and
// region, and nothing of what this machine has set for AWS.
func Environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env,
		"AWS_ACCESS_KEY_ID="+AccessKey,
		"AWS_SECRET_ACCESS_KEY="+SecretKey,
		"AWS_REGION="+Region,
		"AWS_DEFAULT_REGION="+Region,
		"AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	)
}

// Unique returns a name that no other test uses, valid for a queue, a table and a bucket: the letters, digits and hyphens of
// the prefix in lower case, cut to fit, and a random end; at most 40 bytes.
func Unique(t testing.TB, prefix string) string {
	t.Helper()
	end := strings.ToLower(rand.Text()[:13])
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, prefix)
	name = strings.Trim(name[:min(len(name), 40-1-len(end))], "-")
	if name == "" {
		name = "t"
	}
	return name + "-" + end
}
