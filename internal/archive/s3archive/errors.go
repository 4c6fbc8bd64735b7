package s3archive

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// ErrNoBucket says that there is no bucket of that name.
var ErrNoBucket = errors.New("bucket does not exist")

var errNoBucket = fmt.Errorf("%w: check aws.bucket, or create it with reprise init --aws --create-bucket", ErrNoBucket)

// ErrDenied says that a policy refuses an action.
var ErrDenied = errors.New("denied")

// The permissions that an archive takes.
const (
	actionList       = "s3:ListBucket"
	actionGet        = "s3:GetObject"
	actionGetTags    = "s3:GetObjectTagging"
	actionPutTags    = "s3:PutObjectTagging"
	actionPut        = "s3:PutObject"
	actionDelete     = "s3:DeleteObject"
	actionDeleteTags = "s3:DeleteObjectTagging"
)

// explain says what was being done to what, and what the service's answer means. action is the permission it took.
func (a *Archive) explain(doing, action, key string, err error) error {
	return fmt.Errorf("%s s3://%s/%s: %w", doing, a.bucket, key, a.meaning(action, key, err))
}

// meaning maps an answer of S3 to an error of the contract; errors without an answer stay as they are.
func (a *Archive) meaning(action, key string, err error) error {
	code, status := awsapi.ErrorCode(err), awsapi.StatusCode(err)
	if status == 0 {
		return err
	}
	if region, elsewhere := otherRegion(err, a.s3.Options().Region); elsewhere {
		return &regionError{bucket: a.bucket, region: region, used: a.s3.Options().Region, err: err}
	}
	switch code {
	case "NoSuchBucket":
		return errNoBucket
	case "NoSuchKey", "NotFound": // the second: HEAD, whose answers have no body
		return archive.ErrNotFound
	case "MethodNotAllowed": // some calls say so where the newest version is a delete marker
		if header(err, "x-amz-delete-marker") == "true" {
			return archive.ErrNotFound
		}
	case "PreconditionFailed":
		return archive.ErrChanged
	case "InvalidObjectState":
		return archive.ErrCold
	case "AccessDenied", "Forbidden": // the second: HEAD
		return &deniedError{action: action, bucket: a.bucket, key: key, err: err}
	}
	// S3 refuses a rate with 503 SlowDown, and HEAD answers have no code to tell it from other outages.
	if awsapi.Throttled(err) || status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", archive.ErrThrottled, err)
	}
	return err
}

// deniedError names the permission that is missing. It is ErrDenied to errors.Is.
type deniedError struct {
	action, bucket, key string
	err                 error
}

func (e *deniedError) Error() string {
	object := strings.Contains(e.action, "Object")
	resource := "arn:aws:s3:::" + e.bucket
	if object {
		resource += "/" + e.key
	}
	s := fmt.Sprintf("%s on %s is denied", e.action, resource)
	if said := (smithy.APIError)(nil); errors.As(e.err, &said) && said.ErrorMessage() != "" {
		s += " (" + said.ErrorMessage() + ")"
	}
	if !object {
		return s + ": allow it in the policies of this role and of the bucket"
	}
	return s + ": allow it in the policies of this role, the bucket and its key; without s3:ListBucket a missing object is denied too"
}

func (e *deniedError) Is(target error) bool { return target == ErrDenied }
func (e *deniedError) Unwrap() error        { return e.err }

// regionError names the region that should have been asked.
type regionError struct {
	bucket, region, used string
	err                  error
}

func (e *regionError) Error() string {
	if e.region == "" {
		return fmt.Sprintf("bucket %s is not in region %s: set aws.region to its own", e.bucket, e.used)
	}
	return fmt.Sprintf("bucket %s is in region %s, not in %s: set aws.region to %[2]s", e.bucket, e.region, e.used)
}

func (e *regionError) Unwrap() error { return e.err }

// otherRegion knows the answers of a region that does not have the bucket. used is the region that was asked.
func otherRegion(err error, used string) (region string, elsewhere bool) {
	region = header(err, "x-amz-bucket-region")
	switch {
	case awsapi.StatusCode(err) == http.StatusMovedPermanently:
		return region, true
	case awsapi.ErrorCode(err) == "AuthorizationHeaderMalformed", awsapi.StatusCode(err) == http.StatusBadRequest:
		return region, region != "" && region != used
	}
	return "", false
}

// header reads the answer that an error came from.
func header(err error, name string) string {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.Response == nil {
		return ""
	}
	return answer.Response.Header.Get(name)
}
