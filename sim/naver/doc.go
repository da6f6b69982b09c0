// Package naver imitates the Naver Search Ads API.
package naver
