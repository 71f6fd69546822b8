"""An HTTP server with the API of OpenAI: text and pictures of one or several models, for many clients at once.

``app`` puts the routes together, ``guard`` checks a request before a route gets it, ``openai_chat`` and
``openai_images`` translate between the API and the engine, and ``runner`` runs the engine of a model in a thread.
"""
