package store

import (
	"net/http"
	"net/url"

	"imreport/internal/review"
	"imreport/internal/web"
	"imreport/internal/workspace"
)

func (s *Store) mountReviews() {
	s.site.Page("GET /shops/{shop}/reviews", looks(), s.reviews)
	s.site.Page("GET /shops/{shop}/reviews/{id}", looks(), s.review)
	s.site.Page("POST /shops/{shop}/reviews/{id}/moderate", does(workspace.Editor, "review.moderate"), s.moderate)
	s.site.Page("POST /shops/{shop}/reviews/{id}/reply", does(workspace.Editor, "review.reply"), s.reply)
	s.site.Page("GET /shops/{shop}/photos/{id}", looks(), s.shopPhoto)
}

type reviewsView struct {
	Rows   []review.Review
	States []review.Visibility
	State  string
	Rating review.Rating
	Next   string
}

func (s *Store) reviews(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	const size = 30
	v := reviewsView{State: q.Get("state"), States: []review.Visibility{review.Pending, review.Published, review.Hidden}}
	v.Rows, err = s.d.Reviews.Reviews(r.Context(), sh.ID, review.ReviewFilter{State: review.Visibility(v.State), ProductID: q.Get("product")}, q.Get("after"), size+1)
	if err != nil {
		return err
	}
	if len(v.Rows) > size {
		v.Rows = v.Rows[:size]
		v.Next = "/shops/" + sh.ID + "/reviews?" + url.Values{"state": {v.State}, "after": {v.Rows[size-1].ID}}.Encode()
	}
	if v.Rating, err = s.d.Reviews.Rating(r.Context(), sh.ID, ""); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "reviews", "reviews", sh, nil, v)
}

type oneReview struct {
	review.Review
	Log []review.ModerationRow
}

func (s *Store) review(w http.ResponseWriter, r *http.Request) error {
	return s.showOne(w, r, http.StatusOK, nil)
}

func (s *Store) showOne(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	var v oneReview
	if v.Review, err = s.d.Reviews.Review(r.Context(), sh.ID, r.PathValue("id")); err != nil {
		return err
	}
	if v.Log, err = s.d.Reviews.ReviewLog(r.Context(), sh.ID, v.ID); err != nil {
		return err
	}
	return s.render(w, r, status, "review", "reviews", sh, wrong, v)
}

func (s *Store) moderate(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	id, why := r.PathValue("id"), r.PostForm.Get("why")
	_, err = s.d.Reviews.Moderate(r.Context(), sh.ID, id, review.Visibility(r.PostForm.Get("state")), actor(r), why)
	return s.judged(w, r, sh.ID, id, why, err)
}

// judged answers a form about a review.
func (s *Store) judged(w http.ResponseWriter, r *http.Request, shopID, id, detail string, err error) error {
	if wrong := words(r, err); wrong != nil {
		return s.showOne(w, r, http.StatusUnprocessableEntity, wrong)
	}
	if err != nil {
		return err
	}
	web.Subject(r.Context(), id, detail)
	return to(w, r, "/shops/"+shopID+"/reviews/"+id, "review_saved")
}

func (s *Store) reply(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	_, err = s.d.Reviews.Answer(r.Context(), sh.ID, id, r.PostForm.Get("reply"), actor(r))
	return s.judged(w, r, sh.ID, id, "", err)
}

func (s *Store) shopPhoto(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shopOf(r)
	if err != nil {
		return err
	}
	name, err := s.d.Reviews.PhotoFile(r.Context(), r.PathValue("id"), "", sh.ID)
	if err != nil {
		return err
	}
	return servePhoto(w, r, name, false)
}
