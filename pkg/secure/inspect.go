package secure

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// Inspected is what a token says of itself, none of it verified.
type Inspected struct {
	Algorithm string
	KeyID     string
	Claims    Claims
}

// InspectToken decodes a token without verifying anything. The error is a
// [*TokenError] that wraps [ErrMalformed].
func InspectToken(token string) (Inspected, error) {
	var registered jwt.RegisteredClaims
	parsed, _, err := jwt.NewParser().ParseUnverified(token, &registered)
	if errors.Is(err, jwt.ErrTokenMalformed) {
		_, err := refuse(ErrMalformed, "%s", malformed)
		return Inspected{}, err
	}
	algorithm, _ := parsed.Header["alg"].(string)
	kid, _ := parsed.Header["kid"].(string)
	return Inspected{Algorithm: algorithm, KeyID: kid, Claims: claimsOf(registered)}, nil
}

const malformed = "three parts of base64 with JSON in them are expected"
