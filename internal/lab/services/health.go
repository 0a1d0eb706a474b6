package services

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
)

// The bounds of WatchVitals, and what CheckVitals calls alarming.
const (
	defaultReadings = 3
	maxReadings     = 1000
	restingRate     = 62
	alarmingRate    = 120
	alarmingTemp    = 38.5
)

// healthV1 keeps nothing: its readings are made up, always the same.
type healthV1 struct {
	healthv1.UnimplementedHealthServiceServer
}

func reading(user string, n int32) *healthv1.VitalSigns {
	return &healthv1.VitalSigns{
		UserId: user, HeartRate: restingRate + n%8, Temperature: 36.6, MeasuredAt: timestamppb.New(time.Now()),
	}
}

func (*healthV1) GetVitals(_ context.Context, req *healthv1.GetVitalsRequest) (*healthv1.GetVitalsResponse, error) {
	if req.GetUserId() == "" {
		return nil, status.Error(codes.InvalidArgument, "user_id is empty")
	}
	return &healthv1.GetVitalsResponse{Vitals: reading(req.GetUserId(), 0)}, nil
}

func (*healthV1) WatchVitals(req *healthv1.WatchVitalsRequest, stream grpc.ServerStreamingServer[healthv1.WatchVitalsResponse]) error {
	count := req.GetCount()
	switch {
	case count == 0:
		count = defaultReadings
	case count < 0 || count > maxReadings:
		return status.Errorf(codes.InvalidArgument, "count is %d, not 1 to %d", count, maxReadings)
	}
	for n := range count {
		if err := stream.Send(&healthv1.WatchVitalsResponse{Vitals: reading(req.GetUserId(), n)}); err != nil {
			return err
		}
	}
	return nil
}

func (*healthV1) RecordVitals(stream grpc.ClientStreamingServer[healthv1.RecordVitalsRequest, healthv1.RecordVitalsResponse]) error {
	sum := &healthv1.RecordVitalsResponse{}
	var beats float64
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if sum.Recorded > 0 {
				sum.MeanHeartRate = beats / float64(sum.Recorded)
			}
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		sum.Recorded++
		beats += float64(req.GetVitals().GetHeartRate())
	}
}

func (*healthV1) CheckVitals(stream grpc.BidiStreamingServer[healthv1.CheckVitalsRequest, healthv1.CheckVitalsResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&healthv1.CheckVitalsResponse{Vitals: req.GetVitals(), Rating: rate(req.GetVitals())}); err != nil {
			return err
		}
	}
}

func rate(v *healthv1.VitalSigns) healthv1.Rating {
	if v.GetHeartRate() >= alarmingRate || v.GetTemperature() >= alarmingTemp {
		return healthv1.Rating_RATING_ALARMING
	}
	return healthv1.Rating_RATING_NORMAL
}
