package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
)

// ErrMaintenance is the error of [Users.HandleUserRegistered] while the
// maintenance switch is on.
var ErrMaintenance = errors.New("maintenance: profile store is read-only")

// Users is the profile store of user-service. It is safe for concurrent use.
type Users struct {
	mu          sync.Mutex
	maintenance bool
	emails      map[string]string // by user id
	handled     map[string]bool   // by event id
	deliveries  int64
}

func newUsers() *Users {
	return &Users{emails: map[string]string{}, handled: map[string]bool{}}
}

// HandleUserRegistered stores the profile of a user-registered event. data is
// the event's data: an object with user_id and email. A second delivery of the
// same event id changes nothing and is counted as a duplicate.
func (u *Users) HandleUserRegistered(_ context.Context, eventID string, data []byte) error {
	var user struct {
		ID    string `json:"user_id"`
		Email string `json:"email"`
	}
	if err := json.Unmarshal(data, &user); err != nil {
		return fmt.Errorf("read the registered user: %w", err)
	}
	if user.ID == "" {
		return errors.New("the registered user has no user_id")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.maintenance {
		return ErrMaintenance
	}
	u.deliveries++
	if !u.handled[eventID] {
		u.handled[eventID] = true
		u.emails[user.ID] = user.Email
	}
	return nil
}

func (u *Users) setMaintenance(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.maintenance = on
}

func (u *Users) email(id string) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	email, ok := u.emails[id]
	return email, ok
}

func (u *Users) counts() (total, unique int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.deliveries, int64(len(u.handled))
}

type userV1 struct {
	userv1.UnimplementedUserServiceServer
	users *Users
}

func (s *userV1) GetProfile(_ context.Context, req *userv1.GetProfileRequest) (*userv1.GetProfileResponse, error) {
	email, ok := s.users.email(req.GetUserId())
	if !ok {
		return nil, status.Errorf(codes.NotFound, "there is no profile of user %q", req.GetUserId())
	}
	return &userv1.GetProfileResponse{UserId: req.GetUserId(), Email: email}, nil
}

func (s *userV1) SetMaintenance(_ context.Context, req *userv1.SetMaintenanceRequest) (*userv1.SetMaintenanceResponse, error) {
	s.users.setMaintenance(req.GetEnabled())
	return &userv1.SetMaintenanceResponse{Enabled: req.GetEnabled()}, nil
}

func (s *userV1) Stats(context.Context, *userv1.StatsRequest) (*userv1.StatsResponse, error) {
	total, unique := s.users.counts()
	return &userv1.StatsResponse{Total: total, Unique: unique, Duplicates: total - unique}, nil
}
