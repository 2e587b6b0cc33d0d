"""descend under a model of one's own: here, matrix factorisation with side information.

A user's rating of a film is predicted as the product of two vectors: one learnt for the user, one
computed from the film's features by a dense layer. No such network exists in descend, but its
kernels compute the layer and its gradient, and its optimizer updates the arrays, which stay ours.
"""

import numpy as np

import descend as ds

USERS, FILMS, FEATURES, RANK = 200, 300, 12, 4

rng = np.random.default_rng(0)
features = rng.normal(size=(FILMS, FEATURES))
true_tastes = rng.normal(size=(USERS, RANK))
true_weights = rng.normal(size=(FEATURES, RANK)) / np.sqrt(FEATURES)
ratings = true_tastes @ np.tanh(features @ true_weights).T + 0.1 * rng.normal(size=(USERS, FILMS))
is_known = rng.random((USERS, FILMS)) < 0.3

tastes = 0.1 * rng.normal(size=(USERS, RANK))
weights = rng.normal(size=(FEATURES, RANK)) / np.sqrt(FEATURES)
bias = np.zeros(RANK)

optimizer = ds.Adam(learning_rate=0.02)
parameters = [tastes, weights, bias]
states = [optimizer.init(parameter) for parameter in parameters]


def root_mean_squared_error(error, mask):
    return np.sqrt((error[mask] ** 2).mean())


for step in range(501):
    films = ds.ops.dense_forward(features, weights, bias, activation="tanh")
    error = tastes @ films.T - ratings
    if step % 100 == 0:
        known = root_mean_squared_error(error, is_known)
        hidden = root_mean_squared_error(error, ~is_known)
        print(f"step {step:3}: error {known:.3f} on known ratings, {hidden:.3f} on hidden ones")

    d_ratings = np.where(is_known, error, 0) / is_known.sum()
    d_tastes = d_ratings @ films
    d_films = d_ratings.T @ tastes
    _, d_weights, d_bias = ds.ops.dense_backward(d_films, features, weights, films, "tanh")
    gradients = [d_tastes, d_weights, d_bias]
    for parameter, gradient, state in zip(parameters, gradients, states, strict=True):
        optimizer.update(parameter, gradient, state)
