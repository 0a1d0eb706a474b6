package load

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// codec hands the bytes of a [*request] to gRPC, and counts those of a [*reply].
// It is given to each call, and not registered.
type codec struct{}

// reply counts messages and their bytes.
type reply struct{ messages, size int }

// Name is the name of Protobuf's codec, for the content type.
func (codec) Name() string { return "proto" }

// Marshal returns the same slice for all calls: gRPC does not change it.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	r, ok := v.(*request)
	if !ok {
		return nil, fmt.Errorf("marshal a %T", v)
	}
	return r.data, nil
}

// Unmarshal leaves the message to gRPC's pool of buffers.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*reply)
	if !ok {
		return fmt.Errorf("unmarshal a %T", v)
	}
	r.messages++
	r.size += data.Len()
	return nil
}
