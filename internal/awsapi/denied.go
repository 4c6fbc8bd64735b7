package awsapi

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// Denied reports whether the service knows the caller and refuses the action. Services give that one name in many
// forms: AccessDenied, AccessDeniedException, KMS.AccessDeniedException, and Forbidden for a HEAD.
func Denied(err error) bool {
	code := ErrorCode(err)
	return strings.Contains(code, "AccessDenied") || code == "Forbidden"
}

// Message is what the service says in words, for a denial most often who asked and what was missing; "" where the
// service said nothing.
func Message(err error) string {
	var said smithy.APIError
	if !errors.As(err, &said) {
		return ""
	}
	return said.ErrorMessage()
}
