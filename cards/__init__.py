"""The model folders that srzoo ships: one folder a model."""
