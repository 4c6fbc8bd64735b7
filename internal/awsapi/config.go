package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// attempts is how often the SDK itself sends one request, the first time included.
const attempts = 3

// Options of Load.
type Options struct {
	Region      string   // "": from the environment or the profile
	Version     string   // of this program, for the user agent
	Connections int      // calls at once to one service: so many idle connections are kept; at least 1
	Observer    Observer // nil: nobody is told
}

// Load finds region and credentials as every AWS tool does (environment, profile, ECS task role, EC2 instance role) and
// returns the settings from which all drivers make their clients. An unknown region is an error; credentials are
// looked for at the first call.
func Load(ctx context.Context, o Options) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region), config.WithHTTPClient(HTTPClient(o.Connections)),
		config.WithLogger(logging.Nop{}), // what it says comes back as an error too, and would stand between the lines of this program's log
		config.WithAPIOptions([]func(*middleware.Stack) error{awsmiddleware.AddUserAgentKeyValue("reprise", o.Version)}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS settings: %w", err)
	}
	if c.Region == "" {
		return aws.Config{}, errors.New("no AWS region: set aws.region, or AWS_REGION in the environment")
	}
	c = Prepare(c)
	if o.Observer != nil {
		c.APIOptions = append(c.APIOptions, addObserver(o.Observer))
	}
	return c, nil
}

// Prepare gives settings that come from elsewhere the deadlines and retries that Load gives.
func Prepare(c aws.Config) aws.Config {
	c = c.Copy()
	// Standard, not adaptive: the adaptive mode's quota is never filled up again (aws-sdk-go-v2 issue 3550).
	c.RetryMode = aws.RetryModeStandard
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.Retryables = attempts, maxPause, retryables()
		})
	}
	c.APIOptions = append(c.APIOptions[:len(c.APIOptions):len(c.APIOptions)], addAttemptTimeout, addPlainBody)
	return c
}

// HTTPClient is a client that keeps connections for so many calls at once (the default of Go is 2, of the SDK 10).
func HTTPClient(connections int) *awshttp.BuildableClient {
	connections = max(connections, 10)
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 3 * time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = connections
			t.MaxIdleConns = 3 * connections // queue, archive and ledger
			t.TLSHandshakeTimeout = 5 * time.Second
		})
}
